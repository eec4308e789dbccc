"""What this service decides by: when a list has changed enough to be told, and who may see how much of one."""
