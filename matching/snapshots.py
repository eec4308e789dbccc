"""Snapshots: organisations as an engine weighed them, as bytes and back, each by the content of its record. A cache, never the truth.

What: the documents of each revision (terms, impacts, words in order) under the content hash of the record that they were
made of. Why: weighing is most of what a start of the indexes costs, and gives the same integers every time. A snapshot is a header (JSON),
arrays as they lie in memory, and the SHA-256 of both. One that is torn, in another form, on another basis or of positions that the archive has not
reached is refused with the reason; who asked weighs anew. Terms go with it by name, for their numbers are a process's own, and get one
only when a document that holds them is taken. It reads and writes no file, and must not decide which revision is the newest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from matching.analysis import AddedWords
from matching.kernel import Asked
from matching.passages import END
from matching.quoting import MemberStems, Stems
from matching.vocabulary import Vocabulary
from matching.weighed import MemberWeigher, Weighed, WeighedItem

FORM = "comity snapshot 2"
PIECE = 4 * 1_024 * 1_024
"""Bytes of a piece, at most: whoever writes one looks between two whether there is time for more."""

_DIGEST = 32
_LENGTH = 8
_UNKNOWN = -2  # a term that has no number in this process yet; END is -1


class SnapshotRefused(ValueError):  # noqa: N818 - what happened, in the past tense
    """A snapshot that cannot be used, and why: every organisation is to be weighed anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a snapshot stands on: epoch by hash, build of the engine, log, and the positions up to which it holds revisions.

    `log` is None where nothing was consumed yet.
    """

    epoch: str
    build: str
    log: str | None
    positions: Mapping[str, int]

    def refuse(self, said: Basis) -> None:
        """Raise SnapshotRefused where a snapshot that stands on `said` is none for here."""
        for name in ("epoch", "build", "log"):
            here, there = getattr(self, name), getattr(said, name)
            if here != there:
                raise SnapshotRefused(f"it is of {name} {str(there)[:12]}, not {str(here)[:12]}")
        for at, offset in said.positions.items():
            if offset > self.positions.get(at, 0):
                raise SnapshotRefused(
                    f"it goes to {offset} of {at}, the archive to {self.positions.get(at, 0)}"
                )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kept:
    """One revision as it stands in an engine, by the content hash of its record."""

    key: str
    profile: Asked
    items: tuple[Asked, ...]
    stems: MemberStems
    has_data: tuple[bool, ...]


class _Arrays(NamedTuple):
    """The documents behind one another: where each begins and ends, its terms with impacts, its words in order."""

    asked_ends: npt.NDArray[np.int64]
    terms: npt.NDArray[np.int32]
    impacts: npt.NDArray[np.uint8]
    words_ends: npt.NDArray[np.int64]
    words: npt.NDArray[np.int32]


_TYPES = tuple(np.dtype(kind) for kind in ("<i8", "<i4", "|u1", "<i8", "<i4"))


def pieces(basis: Basis, kept: Sequence[Kept], vocabulary: Vocabulary) -> Iterator[bytes | memoryview]:
    """Yield a snapshot's bytes, piece by piece. What several organisations tell in one text stands there once."""
    places: dict[tuple[int, int], int] = {}
    documents: list[tuple[Asked, Stems]] = []

    def place(asked: Asked, stems: Stems) -> int:
        found = places.setdefault((id(asked), id(stems)), len(documents))
        if found == len(documents):
            documents.append((asked, stems))
        return found

    members = [
        [
            one.key,
            [int(has) for has in one.has_data],
            place(one.profile, one.stems.profile),
            [[item, place(asked, stems)] for (item, stems), asked in zip(one.stems.items, one.items, strict=True)],
        ]
        for one in kept
    ]  # fmt: skip
    arrays = _Arrays(
        _ends([len(asked[0]) for asked, _ in documents]),
        _joined([asked[0] for asked, _ in documents], np.int32),
        _joined([asked[1] for asked, _ in documents], np.uint8),
        _ends([len(stems.numbers) for _, stems in documents]),
        _joined([stems.numbers for _, stems in documents], np.int32),
    )
    met = np.zeros(len(vocabulary) + 1, np.bool_)  # its last stands for END
    met[arrays.terms] = True
    met[arrays.words] = True
    met[END] = False
    used = np.flatnonzero(met)
    local = np.full(len(vocabulary) + 1, END, np.int32)
    local[used] = np.arange(len(used), dtype=np.int32)
    arrays = arrays._replace(terms=local[arrays.terms], words=local[arrays.words])
    header = {
        "form": FORM,
        "basis": asdict(basis),
        "terms": [vocabulary.term(number) for number in used.tolist()],
        "heads": [stems.heads for _, stems in documents],
        "members": members,
        "lengths": [len(array) for array in arrays],
    }
    digest = hashlib.sha256()
    said = json.dumps(header).encode()
    parts = [memoryview(len(said).to_bytes(_LENGTH, "big")), memoryview(said)]
    for array, kind in zip(arrays, _TYPES, strict=True):
        parts.append(np.asarray(array, kind).data.cast("B"))
    for part in parts:
        for begin in range(0, len(part), PIECE):
            piece = part[begin : begin + PIECE]
            digest.update(piece)
            yield piece
    yield digest.digest()


class Snapshot:
    """The revisions of a snapshot that was read, for one engine: each is taken once, and nothing of it is kept then."""

    def __init__(self, header: Mapping[str, Any], arrays: _Arrays) -> None:
        self._terms: list[str] = header["terms"]
        self._heads = header["heads"]
        self._members = {key: (has, profile, items) for key, has, profile, items in header["members"]}
        self._arrays = arrays
        self._numbers = np.full(len(self._terms) + 1, _UNKNOWN, np.int32)
        self._numbers[END] = END
        self._items: dict[int, WeighedItem] = {}

    def __len__(self) -> int:
        return len(self._members)

    def take(self, key: str, added: tuple[AddedWords, ...], weigher: MemberWeigher) -> Weighed | None:
        """Return the revision whose record has this content hash, None where it is not here; `added` as in `weigh`."""
        found = self._members.pop(key, None)
        if found is None:
            return None
        has, place, named = found
        profile, stems = self._document(place, weigher.vocabulary)
        items = tuple((item, self._item(at, weigher)) for item, at in named)
        return Weighed(
            profile=profile,
            items=tuple(one for _, one in items),
            stems=MemberStems(stems, tuple((item, one.stems) for item, one in items), added),
            has_data=tuple(map(bool, has)),
        )

    def _item(self, place: int, weigher: MemberWeigher) -> WeighedItem:
        found = self._items.get(place)
        if found is None:
            asked, stems = self._document(place, weigher.vocabulary)
            found = self._items[place] = WeighedItem(asked, weigher.words(stems), stems)
        return found

    def _document(self, place: int, vocabulary: Vocabulary) -> tuple[Asked, Stems]:
        """Copy a document out: a part of the whole would keep all of it in memory."""
        arrays = self._arrays
        asked = slice(*arrays.asked_ends[place : place + 2])
        words = slice(*arrays.words_ends[place : place + 2])
        heads = tuple((name, language, tuple(lengths)) for name, language, lengths in self._heads[place])
        return (
            (self._numbered(arrays.terms[asked], vocabulary), arrays.impacts[asked].copy()),
            Stems(heads, self._numbered(arrays.words[words], vocabulary)),
        )

    def _numbered(self, places: npt.NDArray[np.int32], vocabulary: Vocabulary) -> npt.NDArray[np.int32]:
        found = self._numbers[places]
        new = places[found == _UNKNOWN]
        if len(new):
            for place in set(new.tolist()):
                self._numbers[place] = vocabulary.number_again(self._terms[place])
            found = self._numbers[places]
        return found


def read(content: bytes | bytearray | memoryview, *, basis: Basis) -> Snapshot:
    """Read a snapshot; SnapshotRefused if it is torn, in another form, on another basis or ahead of these positions."""
    whole = memoryview(content)
    body, said = whole[:-_DIGEST], whole[-_DIGEST:]
    if len(whole) < _LENGTH + _DIGEST or hashlib.sha256(body).digest() != said:
        raise SnapshotRefused("it is torn: its digest is not that of its bytes")
    try:
        return _parsed(body, basis)
    except SnapshotRefused:
        raise
    except (
        AttributeError,
        IndexError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:  # a foreign file may have a digest too
        raise SnapshotRefused(f"its form is another: {type(error).__name__}, {error}") from error


def _parsed(body: memoryview, basis: Basis) -> Snapshot:
    start = _LENGTH + int.from_bytes(body[:_LENGTH], "big")
    header = json.loads(bytes(body[_LENGTH:start]))
    if header["form"] != FORM:
        raise SnapshotRefused(f"its form is {header['form']!r}, not {FORM!r}")
    basis.refuse(Basis(**header["basis"]))
    arrays = []
    for kind, length in zip(_TYPES, header["lengths"], strict=True):
        arrays.append(np.frombuffer(body, kind, length, start))
        start += arrays[-1].nbytes
    return Snapshot(header, _Arrays(*arrays))


def _ends(lengths: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.cumsum([0, *lengths], dtype=np.int64)


def _joined(arrays: Sequence[npt.NDArray[Any]], dtype: type[np.generic]) -> npt.NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype), *arrays])
