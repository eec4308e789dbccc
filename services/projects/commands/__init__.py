"""What changes a project or a flagship: one function for each command, callable with or without HTTP."""
