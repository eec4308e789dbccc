"""Writes: rules, rows and outbox rows, one function per intent; each runs in a transaction that it did not open.

The edge calls them through `execute`; the bulk import calls the same functions on a transaction of its own.
"""
