"""The chain of revisions of log, oldest first; a released one is never changed."""
