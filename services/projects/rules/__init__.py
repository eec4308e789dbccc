"""What is allowed: of a body, of a publication, of a change of state, of a person. Pure: no database, no clock."""
