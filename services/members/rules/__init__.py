"""What is allowed: of a profile, of a reader, of a writer, of an Associate. Pure: no database, no clock."""
