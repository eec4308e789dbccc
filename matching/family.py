"""Families: the parent tree of organisations, and the root that stands for a whole group.

A parent that is not known here is a root itself. In a cycle (which the services refuse) the smallest id is the root, so
that the answer does not depend on where one starts.
"""

from __future__ import annotations

from collections.abc import Mapping


def root_of(name: str, parents: Mapping[str, str]) -> str:
    """Return the topmost ancestor of an organisation, itself if it has no parent."""
    path = [name]
    while (above := parents.get(path[-1])) is not None:
        if above in path:
            return min(path[path.index(above) :])
        path.append(above)
    return path[-1]
