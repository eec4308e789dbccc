"""The matching worker: follows the archive, ranks what it owns, writes list versions.

One noun a file: `documents` (archived forms), `engines` (of the epoch in force, and of one other while it changes),
`index` (this process's copy of both indexes), `ownership` (which partitions are ours, by whose generation), `ranker` (one
pass after another), `versions` (what a pass writes). Readers of lists use `index` only. Nothing here may answer a request.
"""
