"""The verbs of the `comity` command, one file each.

What: everything that a person types. Why: `services.__main__` only mounts what stands here. A verb must not reach into
a service's tables; it speaks HTTP, or calls the same commands as the routes do.
"""
