"""What the engine knows of an organisation and of a project: frozen records that mirror the HTTP shapes.

Why here: the engine imports nothing of the rest of the tree, so it owns the words it computes with. Texts keep the
language that they were declared in; dates are ISO strings (``2026-11-24``), compared as text. These classes check
nothing (the services did) and compute nothing; `from_json` reads the data of an event, `to_json` writes it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One text in one language (BCP-47 tag); `title` only where a record has one beside the text (evidence)."""

    language: str
    text: str = ""
    title: str = ""

    @classmethod
    def from_json(cls, body: Json) -> Text:
        """Read ``{language, text?, title?}``."""
        return cls(language=body["language"], text=body.get("text") or "", title=body.get("title") or "")

    def to_json(self) -> dict[str, Any]:
        """Write it as it is on the wire; an absent title is left out."""
        return {"language": self.language, "text": self.text} | ({"title": self.title} if self.title else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A policy tag. `version` names the plan (KAP 2023-2025, BAP 2026-2029) and is kept apart from scheme and code."""

    scheme: str
    code: str
    version: str | None = None

    @classmethod
    def from_json(cls, body: Json) -> Tag:
        """Read ``{scheme, version?, code}``."""
        return cls(scheme=body["scheme"], code=str(body["code"]), version=body.get("version"))

    def to_json(self) -> dict[str, Any]:
        """Write ``{scheme, version?, code}``."""
        return {"scheme": self.scheme, "code": self.code} | (
            {"version": self.version} if self.version else {}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a project asks for: a kind (``training``), its importance 1..5 and texts."""

    id: str
    kind: str
    importance: int = 3
    texts: tuple[Text, ...] = ()

    @classmethod
    def from_json(cls, body: Json) -> Need:
        """Read ``{id, kind, importance?, texts?}``; further members are of no interest to the ranking."""
        importance = body.get("importance")
        return cls(
            id=str(body.get("id") or body["kind"]),
            kind=body["kind"],
            importance=3 if importance is None else int(importance),
            texts=texts_from(body.get("texts")),
        )

    def to_json(self) -> dict[str, Any]:
        """Write ``{id, kind, importance, texts}``."""
        return {"id": self.id, "kind": self.kind, "importance": self.importance, "texts": listed(self.texts)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What an organisation offers (or, under `Member.seeks`, is looking for)."""

    kind: str
    texts: tuple[Text, ...] = ()

    @classmethod
    def from_json(cls, body: Json) -> Offer:
        """Read ``{kind, texts?}``."""
        return cls(kind=body["kind"], texts=texts_from(body.get("texts")))

    def to_json(self) -> dict[str, Any]:
        """Write ``{kind, texts}``."""
        return {"kind": self.kind, "texts": listed(self.texts)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A past project, pledge, publication or laboratory of an organisation; `role` is ``lead`` or ``partner``."""

    id: str
    kind: str = "project"
    role: str = "partner"
    texts: tuple[Text, ...] = ()
    countries: tuple[str, ...] = ()
    tags: tuple[Tag, ...] = ()
    year: int | None = None

    @classmethod
    def from_json(cls, body: Json) -> Evidence:
        """Read ``{id, kind?, role?, texts?, countries?, tags?, year?}``."""
        return cls(
            id=str(body["id"]),
            kind=body.get("kind") or "project",
            role=body.get("role") or "partner",
            texts=texts_from(body.get("texts")),
            countries=tuple(body.get("countries") or ()),
            tags=tuple(Tag.from_json(tag) for tag in body.get("tags") or ()),
            year=body.get("year"),
        )

    def to_json(self) -> dict[str, Any]:
        """Write the members that `from_json` reads."""
        return {
            "id": self.id,
            "kind": self.kind,
            "role": self.role,
            "texts": listed(self.texts),
            "countries": list(self.countries),
            "tags": listed(self.tags),
            "year": self.year,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One dated term of membership: ``active``, ``suspended`` or ``ended`` from a day (to a day, inclusive)."""

    state: str
    since: str
    until: str | None = None

    @classmethod
    def from_json(cls, body: Json) -> Term:
        """Read ``{state, from, to?}``."""
        return cls(state=body["state"], since=body["from"], until=body.get("to"))

    def to_json(self) -> dict[str, Any]:
        """Write ``{state, from, to?}``."""
        return {"state": self.state, "from": self.since} | ({"to": self.until} if self.until else {})

    def covers(self, day: str) -> bool:
        """Whether the ISO date `day` lies in this term."""
        return self.since <= day and (self.until is None or day <= self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """Words that were added to a profile that stood before: on which day (ISO), to which list of texts, in which language.

    `text` has them as they stand, a line for each row.
    """

    field: str
    language: str
    on: str
    text: str

    @classmethod
    def from_json(cls, body: Json) -> Addition:
        """Read ``{field, language, on, text}``."""
        return cls(field=body["field"], language=body["language"], on=body["on"], text=body["text"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Since which days (ISO) texts are on record as they stand; None, or no entry, is unknown.

    `since` is the day of the first revision, `texts` the profile's: that of its last text that was not there before.
    `evidence` has (item id, day). `added` are the words that later revisions brought into the profile.
    """

    since: str | None = None
    texts: str | None = None
    evidence: tuple[tuple[str, str], ...] = ()
    added: tuple[Addition, ...] = ()

    @classmethod
    def from_json(cls, body: Json) -> Recorded:
        """Read ``{since?, texts?, evidence?: {id: day}, added?: [addition, ...]}``."""
        return cls(
            since=body.get("since"),
            texts=body.get("texts"),
            evidence=tuple(sorted((body.get("evidence") or {}).items())),
            added=tuple(Addition.from_json(one) for one in body.get("added") or ()),
        )

    def to_json(self) -> dict[str, Any]:
        """Write it as it is on the wire."""
        days = (("since", self.since), ("texts", self.texts))
        texts = {name: day for name, day in days if day}
        added = {"added": [asdict(one) for one in self.added]} if self.added else {}
        return texts | {"evidence": dict(self.evidence)} | added

    def of(self, item: str) -> str | None:
        """Return the day of an evidence item."""
        return dict(self.evidence).get(item)

    @property
    def last(self) -> str | None:
        """The last day on which any of it was written."""
        return max(filter(None, (self.texts, *(day for _, day in self.evidence))), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An organisation's record, member of ITU or not. `state` is ``active``, ``dormant`` or ``withdrawn``.

    `constants` names the fields that an import filled with a constant ("descriptions", "offers", ...): such a field is
    never indexed and never scored, and it lowers confidence. `recorded` is its service's word, never the organisation's.
    """

    id: str
    revision: int = 1
    legal_name: str = ""
    short_name: str = ""
    category: str = "other_entity"
    organisation_type: str | None = None
    sme: bool = False
    hq_country: str = ""
    operating_countries: tuple[str, ...] = ()
    willing_countries: tuple[str, ...] = ()
    willing_regions: tuple[str, ...] = ()
    descriptions: tuple[Text, ...] = ()
    expertise: tuple[Text, ...] = ()
    offers: tuple[Offer, ...] = ()
    seeks: tuple[Offer, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    languages: tuple[str, ...] = ()
    tags: tuple[Tag, ...] = ()
    parent: str | None = None
    membership: tuple[Term, ...] = ()
    first_involved_on: str | None = None
    state: str = "active"
    fictional: bool = False
    recorded: Recorded = Recorded()
    constants: frozenset[str] = frozenset()

    @classmethod
    def from_json(cls, body: Json) -> Member:
        """Read an organisation as events and the HTTP resource carry it (unknown members are ignored)."""
        sme = body.get("sme")
        return cls(
            id=str(body["id"]),
            revision=int(body.get("revision") or 1),
            legal_name=body.get("legal_name") or "",
            short_name=body.get("short_name") or "",
            category=body.get("category") or "other_entity",
            organisation_type=body.get("organisation_type"),
            sme=bool(sme.get("flag")) if isinstance(sme, Mapping) else bool(sme),
            hq_country=body.get("hq_country") or "",
            operating_countries=tuple(body.get("operating_countries") or ()),
            willing_countries=tuple(body.get("willing_countries") or ()),
            willing_regions=tuple(body.get("willing_regions") or ()),
            descriptions=texts_from(body.get("descriptions")),
            expertise=texts_from(body.get("expertise")),
            offers=tuple(Offer.from_json(offer) for offer in body.get("offers") or ()),
            seeks=tuple(Offer.from_json(offer) for offer in body.get("seeks") or ()),
            evidence=tuple(Evidence.from_json(item) for item in body.get("evidence") or ()),
            languages=tuple(body.get("languages") or ()),
            tags=tuple(Tag.from_json(tag) for tag in body.get("tags") or ()),
            parent=body.get("parent"),
            membership=tuple(Term.from_json(term) for term in body.get("membership") or ()),
            first_involved_on=body.get("first_involved_on"),
            state=body.get("state") or "active",
            fictional=bool(body.get("fictional")),
            recorded=Recorded.from_json(body.get("recorded") or {}),
            constants=constants_of(body),
        )

    def to_json(self) -> dict[str, Any]:
        """Write the members that `from_json` reads; `Member.from_json(m.to_json()) == m`."""
        return {
            "id": self.id,
            "revision": self.revision,
            "legal_name": self.legal_name,
            "short_name": self.short_name,
            "category": self.category,
            "organisation_type": self.organisation_type,
            "sme": {"flag": self.sme},
            "hq_country": self.hq_country,
            "operating_countries": list(self.operating_countries),
            "willing_countries": list(self.willing_countries),
            "willing_regions": list(self.willing_regions),
            "descriptions": listed(self.descriptions),
            "expertise": listed(self.expertise),
            "offers": listed(self.offers),
            "seeks": listed(self.seeks),
            "evidence": listed(self.evidence),
            "languages": list(self.languages),
            "tags": listed(self.tags),
            "parent": self.parent,
            "membership": listed(self.membership),
            "first_involved_on": self.first_involved_on,
            "state": self.state,
            "fictional": self.fictional,
            "recorded": self.recorded.to_json(),
            "provenance": {"constants": sorted(self.constants)},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project's record. `published_on` (ISO date) is what newcomers are measured against; `owner` is no candidate.

    `emphasis` is what it makes of the budgets, per mille of the published one by component (see `matching.emphasis`).
    """

    id: str
    revision: int = 1
    titles: tuple[Text, ...] = ()
    summaries: tuple[Text, ...] = ()
    objectives: tuple[Text, ...] = ()
    needs: tuple[Need, ...] = ()
    level: str = "global"
    regions: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    presence_required: bool = False
    presence_reason: str = ""
    languages: tuple[str, ...] = ()
    tags: tuple[Tag, ...] = ()
    owner: str = ""
    published_on: str | None = None
    state: str = "published"
    constants: frozenset[str] = frozenset()
    emphasis: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_json(cls, body: Json) -> Project:
        """Read a project as events and the HTTP resource carry it (unknown members are ignored)."""
        presence = body.get("presence_required") or {}
        published = body.get("published_at") or body.get("published_on")
        return cls(
            id=str(body["id"]),
            revision=int(body.get("revision") or 1),
            titles=texts_from(body.get("titles")),
            summaries=texts_from(body.get("summaries")),
            objectives=texts_from(body.get("objectives")),
            needs=tuple(Need.from_json(need) for need in body.get("needs") or ()),
            level=body.get("level") or "global",
            regions=tuple(body.get("regions") or ()),
            countries=tuple(body.get("countries") or ()),
            presence_required=bool(presence.get("required")),
            presence_reason=presence.get("reason") or "",
            languages=tuple(body.get("languages") or ()),
            tags=tuple(Tag.from_json(tag) for tag in body.get("tags") or ()),
            owner=str(body.get("owner") or ""),
            published_on=published[:10] if published else None,
            state=body.get("state") or "published",
            constants=constants_of(body),
            emphasis={k: int(v) for k, v in (body.get("emphasis") or {}).items() if v is not None},
        )

    def to_json(self) -> dict[str, Any]:
        """Write the members that `from_json` reads; `Project.from_json(p.to_json()) == p`."""
        return {
            "id": self.id,
            "revision": self.revision,
            "titles": listed(self.titles),
            "summaries": listed(self.summaries),
            "objectives": listed(self.objectives),
            "needs": listed(self.needs),
            "level": self.level,
            "regions": list(self.regions),
            "countries": list(self.countries),
            "presence_required": {"required": self.presence_required, "reason": self.presence_reason},
            "languages": list(self.languages),
            "tags": listed(self.tags),
            "owner": self.owner,
            "published_on": self.published_on,
            "state": self.state,
            "provenance": {"constants": sorted(self.constants)},
            "emphasis": dict(self.emphasis),
        }


def texts_from(bodies: Iterable[Json] | None) -> tuple[Text, ...]:
    """Read a list of localised texts; None is an empty list."""
    return tuple(Text.from_json(body) for body in bodies or ())


def listed(parts: Iterable[Text | Tag | Need | Offer | Evidence | Term]) -> list[dict[str, Any]]:
    """Write a tuple of records as a JSON list."""
    return [part.to_json() for part in parts]


def constants_of(body: Json) -> frozenset[str]:
    """Return the names of constant-filled fields that the record's provenance gives."""
    provenance = body.get("provenance") or {}
    return frozenset(provenance.get("constants") or ())
