"""The chain of revisions of identity, oldest first; a released one is never changed."""
