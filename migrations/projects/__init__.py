"""The chain of revisions of projects, oldest first; a released one is never changed."""
