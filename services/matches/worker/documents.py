"""The archived forms of a revision: the record as it came, and its ordered stems.

What: from event data to stems when it is archived, and back to the engine's records when an index is built. Why: texts
are analysed once, by whichever worker archives them, and every index is built from the same bytes. It must not hold
statistics or a lexicon: those belong to an epoch.
"""

import threading
import zlib
from typing import Any

import orjson

from matching.analysis import Analysed, Analyser, prove_analyser
from matching.records import Member, Project

MEMBER = "member"
PROJECT = "project"


class Analysis:
    """The process's analyser, proved at construction.

    Its stemmers and caches take one caller at a time: whoever analyses or explains holds `turn`.
    """

    def __init__(self) -> None:
        self.analyser: Analyser = prove_analyser()
        self.golden = self.analyser.golden_hash()
        self.turn = threading.Lock()

    def of(self, kind: str, data: bytes) -> bytes:
        """Analyse an event's data; the result is what `documents.analysed` holds. Runs in any thread."""
        body = orjson.loads(data)
        with self.turn:
            if kind == MEMBER:
                analysed = self.analyser.analyse_member(Member.from_json(body))
            else:
                analysed = self.analyser.analyse_project(Project.from_json(body))
        return pack(analysed)


def pack(analysed: Analysed) -> bytes:
    """Return the stems as deflated JSON: a long history of past projects shrinks to a third."""
    return zlib.compress(orjson.dumps(analysed.to_json()), 1)


def unpack(content: bytes) -> Analysed:
    """Read what `pack` wrote."""
    return Analysed.from_json(orjson.loads(zlib.decompress(content)))


def member_of(record: bytes) -> Member:
    """Read an archived organisation."""
    return Member.from_json(orjson.loads(record))


def project_of(record: bytes) -> Project:
    """Read an archived project."""
    return Project.from_json(orjson.loads(record))


def body_of(record: bytes) -> dict[str, Any]:
    """Read an archived record with everything that the engine does not need (names, team, office)."""
    body: dict[str, Any] = orjson.loads(record)
    return body
