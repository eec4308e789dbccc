"""The services, what they stand on (`chassis`), and the command that runs them (`console`)."""
