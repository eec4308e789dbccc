"""Reads: rows in, plain values out."""
