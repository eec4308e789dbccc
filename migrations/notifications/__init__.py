"""The chain of revisions of members, oldest first; a released one is never changed."""
