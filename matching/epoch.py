"""An epoch: the frozen statistics, lexicon, weights and reference data that every score is computed under.

All integers; canonical JSON; named by the SHA-256 of its bytes. `fit_epoch` (module `fitting`) makes one. Reading an
epoch takes no logarithm and no float: those were taken once, at fit.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from matching.bounds import refuse_number
from matching.lexicon import Lexicon
from matching.reference import ReferenceData
from matching.weights import Weights

PROFILE, EVIDENCE = KINDS = ("profile", "evidence")
"""Kinds of document; statistics are kept apart for each."""

IDF_ONE = 65_536
"""An idf is stored in these parts of one natural logarithm."""

LARGEST = 1 << 40
"""No statistic is larger: products with counts and budgets stay exact everywhere."""

FORMAT = 2

_TIE_KEY = re.compile(r"[0-9a-f]{32}")
_HASH = re.compile(r"[0-9a-f]{64}")
_TERM = re.compile(r"n:.+|[wbd]:[^:]*:.+", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class LanguageStatistics:
    """Of one kind of document in one language: how many there are, their mean length, and idf by document frequency.

    `mean` is in 1/256 of a word; `idf` maps a document frequency (0 = unknown word) to 1/65,536.
    """

    documents: int
    mean: int
    idf: Mapping[int, int]


@dataclass(frozen=True, kw_only=True)
class KindStatistics:
    """Of one kind of document: per language (empty = names, numbers and codes), and document frequencies by term.

    `unseen` stands in for a language that the corpus has too few documents of. `tags` holds the idf (1/65,536) of each
    policy tag, under the empty name that of a tag which the corpus lacks.
    """

    languages: Mapping[str, LanguageStatistics]
    unseen: LanguageStatistics
    frequencies: Mapping[str, int]
    tags: Mapping[str, int]

    def of(self, language: str) -> LanguageStatistics:
        """Return the statistics of a language."""
        return self.languages.get(language, self.unseen)


@dataclass(frozen=True, kw_only=True, eq=False)
class Epoch:
    """Read-only; `hash` is the hex SHA-256 of `dumps()`.

    `bands`: smallest fit (per mille) that is possible, good, strong. `tie_key`: 16 published bytes, in hex.
    """

    analyser: int
    golden: str
    weights: Weights
    lexicon: Lexicon
    reference: ReferenceData
    profile: KindStatistics
    evidence: KindStatistics
    bands: tuple[int, int, int]
    tie_key: str
    corpus: Mapping[str, int]

    def statistics(self, kind: str) -> KindStatistics:
        """Return the statistics of a kind of document."""
        return self.profile if kind == PROFILE else self.evidence

    def idf(self, kind: str, term: str) -> int:
        """Return a text term's idf in 1/65,536; a term that the corpus lacks has that of frequency 0.

        A bigram has half of it, and none if the corpus has it in fewer than two documents.
        """
        statistics = self.statistics(kind)
        frequency = statistics.frequencies.get(term, 0)
        if term[0] == "b" and frequency < 2:
            return 0
        table = statistics.of(language_of(term)).idf
        value = table.get(frequency)
        if value is None:
            value = table[min(table, key=lambda known: (abs(known - frequency), known))]
        return value * self.weights.bigram // 1000 if term[0] == "b" else value

    def tag_idf(self, tag: str) -> int:
        """Return the idf of a policy tag among evidence items, in 1/65,536."""
        return self.evidence.tags.get(tag, self.evidence.tags[""])

    @cached_property
    def bigrams(self) -> Mapping[str, frozenset[str]]:
        """By kind: the bigrams that take part, for documents need not carry others."""
        return {
            kind: frozenset(
                term
                for term, frequency in self.statistics(kind).frequencies.items()
                if term[0] == "b" and frequency >= 2
            )
            for kind in KINDS
        }

    def band_of(self, fit: int) -> int:
        """Return the band's number (0 weak .. 3 strong) of a fit in per mille."""
        return sum(fit >= bound for bound in self.bands)

    def to_json(self) -> dict[str, Any]:
        """Write the whole content."""
        return {
            "format": FORMAT,
            "analyser": {"number": self.analyser, "golden": self.golden},
            "weights": self.weights.to_json(),
            "lexicon": self.lexicon.to_json(),
            "reference": self.reference.to_json(),
            "statistics": {kind: _kind_to_json(self.statistics(kind)) for kind in KINDS},
            "bands": list(self.bands),
            "tie_key": self.tie_key,
            "corpus": dict(self.corpus),
        }

    def dumps(self) -> bytes:
        """Return the canonical JSON: sorted names, no white space, UTF-8, integers only."""
        return self._content

    @cached_property
    def _content(self) -> bytes:
        return canonical(self.to_json())

    @cached_property
    def hash(self) -> str:
        """The epoch's name: hex SHA-256 of the canonical JSON."""
        return hashlib.sha256(self._content).hexdigest()

    @classmethod
    def loads(cls, content: bytes) -> Epoch:
        """Read an epoch from its canonical JSON; ValueError if it is malformed or not canonical."""
        return _loaded(content)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Epoch:
        """Read what `to_json` wrote."""
        if body["format"] != FORMAT:
            raise ValueError(f"epoch format {body['format']} is not {FORMAT}")
        refuse_number("the analyser's number", body["analyser"]["number"], (1, LARGEST))
        for name, value in body["corpus"].items():
            refuse_number(f"a count of the corpus ({name})", value, (0, LARGEST))
        return cls(
            analyser=body["analyser"]["number"],
            golden=_golden(body["analyser"]["golden"]),
            weights=Weights.from_json(body["weights"]),
            lexicon=Lexicon.from_json(body["lexicon"]),
            reference=ReferenceData.from_json(body["reference"]),
            profile=_kind_from_json(body["statistics"][PROFILE]),
            evidence=_kind_from_json(body["statistics"][EVIDENCE]),
            bands=_three(body["bands"]),
            tie_key=_key(body["tie_key"]),
            corpus=body["corpus"],
        )


@lru_cache(maxsize=1)
def _loaded(content: bytes) -> Epoch:
    """Read an epoch, once for all who ask in a row: reading takes a moment, and what was read never changes."""
    try:
        body = json.loads(content)
        epoch = Epoch.from_json(body)
        written = epoch.dumps()
    except KeyError as error:
        raise ValueError(f"this is no epoch: it has no {error.args[0]!r}") from error
    except (TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"this is no epoch: a part of it is of another kind ({error})") from error
    except RecursionError as error:
        raise ValueError("this is no epoch: its parts lie in one another without end") from error
    except UnicodeDecodeError as error:
        raise ValueError("this is no epoch: it is not UTF-8") from error
    if written != content:
        raise ValueError(
            "the epoch's bytes are not its canonical form, so its hash would name something else"
        )
    return epoch


def language_of(term: str) -> str:
    """Return the language that an index term of a text carries, empty for names, numbers and codes."""
    return "" if term[0] == "n" else term[2 : term.index(":", 2)]


def canonical(body: Any) -> bytes:
    """Serialise to canonical JSON; a float is refused, for no two machines need to write it alike."""
    _refuse_floats(body)
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _refuse_floats(body: Any) -> None:
    if isinstance(body, float):
        raise TypeError(f"an epoch holds integers only, not {body!r}")
    if isinstance(body, Mapping):
        for value in body.values():
            _refuse_floats(value)
    elif isinstance(body, (list, tuple)):
        for value in body:
            _refuse_floats(value)


def _three(bounds: Sequence[int]) -> tuple[int, int, int]:
    possible, good, strong = bounds
    for bound in bounds:
        refuse_number("a bound of bands", bound, (0, LARGEST))
    if not possible <= good <= strong:
        raise ValueError("bands rise from possible through good to strong")
    return possible, good, strong


def _key(said: str) -> str:
    if not _TIE_KEY.fullmatch(said):
        raise ValueError("tie_key is a key of SipHash: 32 hexadecimal digits in lower case")
    return said


def _golden(said: str) -> str:
    if not _HASH.fullmatch(said):
        raise ValueError("analyser.golden is a SHA-256: 64 hexadecimal digits in lower case")
    return said


def _language_to_json(one: LanguageStatistics) -> dict[str, Any]:
    return {
        "documents": one.documents,
        "mean": one.mean,
        "idf": {str(df): idf for df, idf in one.idf.items()},
    }


def _language_from_json(body: Mapping[str, Any]) -> LanguageStatistics:
    idf = {int(df): value for df, value in body["idf"].items()}
    if 0 not in idf:
        raise ValueError("a table of idf lacks frequency 0, which every unknown word has")
    if min(idf) < 0:
        raise ValueError("a table of idf has a frequency below 0")
    for df, value in (*idf.items(), (0, body["documents"])):
        refuse_number(f"a statistic (frequency {df})", value, (0, LARGEST))
    refuse_number("a mean length", body["mean"], (1, LARGEST))
    return LanguageStatistics(documents=body["documents"], mean=body["mean"], idf=idf)


def _kind_to_json(one: KindStatistics) -> dict[str, Any]:
    return {
        "languages": {language: _language_to_json(found) for language, found in one.languages.items()},
        "unseen": _language_to_json(one.unseen),
        "frequencies": dict(one.frequencies),
        "tags": dict(one.tags),
    }


def _kind_from_json(body: Mapping[str, Any]) -> KindStatistics:
    tags = body["tags"]
    if "" not in tags:
        raise ValueError("the table of tags lacks the empty name, whose idf every unknown tag has")
    for tag, value in tags.items():
        refuse_number(f"a statistic (tag {tag})", value, (0, LARGEST))
    for term, value in body["frequencies"].items():
        if not _TERM.fullmatch(term):
            raise ValueError(f"{term[:80]!r} is no term of a text, so nothing can have its frequency")
        refuse_number(f"the frequency of {term[:80]}", value, (1, LARGEST))
    return KindStatistics(
        languages={language: _language_from_json(found) for language, found in body["languages"].items()},
        unseen=_language_from_json(body["unseen"]),
        frequencies=body["frequencies"],
        tags=tags,
    )
