"""What is read of projects and flagships, and what each reader is shown of it."""
