"""Writes: rules and rows, one function per intent; each runs in a transaction that it did not open."""
