"""Maps: how the rows of somebody else's file become bodies of `/v1/organisations` and `/v1/projects`.

`language` reads a map file, `values` turns one cell, `bodies` makes one body of one row, `evidence` joins past projects.
All of it is pure: no file but the map itself, no network, no clock. What a map may say stands in `docs/guide/import.md`.
"""
