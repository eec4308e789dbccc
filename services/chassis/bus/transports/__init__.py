"""The two logs behind the seam: `sql` (embedded, one process) and `kafka` (the only importer of its client)."""
