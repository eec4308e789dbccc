"""The chain of revisions of matches, oldest first; a released one is never changed."""
