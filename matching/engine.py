"""The engine: members and projects go in, pinned views that rank and explain come out.

Pure: it reads no clock, no file and no network, starts no thread, and its result depends on the records, the epoch and
the reference date alone. One thread puts; any thread may use a view. Order and repetition of puts change nothing.
"""

from __future__ import annotations

from matching.analysis import Analysed, Analyser
from matching.epoch import Epoch
from matching.records import Member, Project
from matching.view import View


class Engine:
    """Both indexes of one epoch: members (asked by projects) and projects (asked by changed members).

    `analyser` may be shared by engines; it holds a cache by text.
    """

    def __init__(self, epoch: Epoch, *, analyser: Analyser | None = None) -> None:
        raise NotImplementedError

    @property
    def epoch(self) -> Epoch:
        """The epoch that this engine scores under."""
        raise NotImplementedError

    def put_member(self, member: Member, analysed: Analysed | None = None) -> bool:
        """Take in a member's revision; False (and nothing done) if the same or a later revision is there.

        `analysed` is what the archive kept of this revision (`Analyser.analyse_member`); without it the texts are
        analysed here. Revisions are compared by `Member.revision`; pass ``force`` through `remove_member` first to
        take an older one in.
        """
        raise NotImplementedError

    def remove_member(self, member: str) -> bool:
        """Forget a member (erasure, or a withdrawn record that is to vanish); False if it was not there."""
        raise NotImplementedError

    def put_project(self, project: Project, analysed: Analysed | None = None) -> bool:
        """Take in a project's revision, to be ranked; False if the same or a later revision is there."""
        raise NotImplementedError

    def remove_project(self, project: str) -> bool:
        """Forget a project (closed, withdrawn, erased); False if it was not there."""
        raise NotImplementedError

    def pin(self) -> View:
        """Return an immutable view of the present state; cheap, and cached until the next change."""
        raise NotImplementedError
