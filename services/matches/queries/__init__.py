"""Reads: lists, rows, versions, opportunities, the statement, how far the ranking is. Nothing here writes."""
