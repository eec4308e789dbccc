"""The open projects as an Atom feed (RFC 4287), for feed readers and for whoever connects them to something else.

*What.* One entry for each open project, the newest first, in pages (RFC 5005), each text marked with its language. *Why from
the archive.* A project is open to the public from the moment it is published, whatever its list says. *Never:* show a
rank, an organisation, a team, or a text as anything but text.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from importlib.metadata import version
from typing import Any

import orjson
from lxml import etree

from services.chassis.runtime import Runtime
from services.matches.queries.archive import ArchivedProject, projects_of
from services.matches.queries.register import Facts, changed_last, register_of, stamp_of
from services.matches.worker.documents import PROJECT
from services.matches.worker.index import Index

PAGE = 100
"""Entries on a page."""

SELF = "/v1/feeds/opportunities.atom"
TITLE = "Open projects"
SUBTITLE = (
    "Development projects that are looking for partners. Open to everybody who fits; an entry is neither an endorsement nor "
    "a procurement notice, and accepting one partner closes nothing."
)
_ATOM = "http://www.w3.org/2005/Atom"
_WRITTEN_BY = tuple(f"{name} {version(name)}" for name in ("comity", "lxml"))
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which open projects; None is no condition. A language chooses those with a title in it, and shows that.

    As in RFC 4647 (basic filtering): in any case, and `pt` has `pt-BR` too.
    """

    flagship: str | None = None
    region: str | None = None
    language: str | None = None
    page: int = 1

    def takes(self, facts: Facts) -> bool:
        """Whether a project is asked for."""
        return (
            self.flagship in {None, facts.flagship}
            and (self.region is None or self.region in facts.regions)
            and (self.language is None or any(_is_in(one, self.language) for one in facts.languages))
        )

    def address(self, page: int) -> str:
        """Return the address of a page of this choice."""
        chosen = {"flagship": self.flagship, "region": self.region, "language": self.language}
        parts = [f"{name}={value}" for name, value in chosen.items() if value is not None]
        parts += [f"page={page}"] if page > 1 else []
        return SELF + (f"?{'&'.join(parts)}" if parts else "")


async def opportunities(
    runtime: Runtime, choice: Choice, *, known: Callable[[str], bool]
) -> tuple[str, bytes]:
    """Return a name of one page, and the page as an XML document; nothing is read and written for whom its name is known to."""
    register = register_of(runtime)
    index: Index = runtime.state["index"]
    opened = (await index.pin()).day
    async with runtime.database.read() as connection:
        stamp = await stamp_of(connection, (PROJECT,))
        named = orjson.dumps((_WRITTEN_BY, PAGE, runtime.settings.address, asdict(choice), opened, stamp))
        tag = blake2b(named, digest_size=16).hexdigest()
        if known(tag):
            return tag, b""
        await register.refresh(connection)
        chosen = [(one, facts) for one, facts in register.open_projects() if choice.takes(facts)]
        chosen.sort(key=lambda each: (each[1].published_at or "", each[0]), reverse=True)
        shown = chosen[PAGE * (choice.page - 1) : PAGE * choice.page]
        records = await projects_of(connection, [one for one, _ in shown])
        # A project that has left the feed is news of the feed as well: `updated` never goes back.
        updated = await changed_last(runtime, connection, (PROJECT,), day=opened)
    feed = _feed(runtime, choice, updated=updated, more=len(chosen) > PAGE * choice.page)
    for one, facts in shown:
        if one in records:
            _entry(feed, runtime, records[one], facts, language=choice.language)
    document: bytes = etree.tostring(feed, xml_declaration=True, encoding="UTF-8")
    return tag, document


def _feed(runtime: Runtime, choice: Choice, *, updated: str, more: bool) -> Any:
    public = runtime.settings.address
    feed = etree.Element(f"{{{_ATOM}}}feed", nsmap={None: _ATOM})
    feed.set(_LANGUAGE, "en")
    _add(feed, "id", public + choice.address(1))
    _add(feed, "title", TITLE)
    _add(feed, "subtitle", SUBTITLE)
    _add(feed, "updated", updated)
    _add(_add(feed, "author"), "name", "Comity")
    _add(feed, "generator", "Comity")
    pages = {"self": choice.page, "first": 1}
    pages |= {"previous": choice.page - 1} if choice.page > 1 else {}
    pages |= {"next": choice.page + 1} if more else {}
    for relation, page in pages.items():
        _add(feed, "link", rel=relation, href=public + choice.address(page), type="application/atom+xml")
    return feed


def _entry(
    feed: Any, runtime: Runtime, project: ArchivedProject, facts: Facts, *, language: str | None
) -> None:
    record = project.record
    entry = _add(feed, "entry")
    _add(entry, "id", f"urn:uuid:{project.id}")
    _text(entry, "title", record.get("titles", ()), language)
    _add(entry, "updated", _stamp(facts.changed_at))
    if facts.published_at is not None:
        _add(entry, "published", facts.published_at)
    _add(entry, "link", rel="alternate", href=f"{runtime.settings.address}/v1/projects/{project.id}")
    if facts.flagship is not None:
        href = f"{runtime.settings.address}/v1/flagships/{facts.flagship}"
        _add(entry, "link", rel="related", href=href)
    _text(entry, "summary", record.get("summaries", ()), language)
    terms = {
        "level": [record["level"]] if record.get("level") else [],
        "region": sorted(facts.regions),
        "country": sorted(facts.countries),
        "need": list(dict.fromkeys(need["kind"] for need in record.get("needs", ()))),
        "deadline": [record["deadline"]] if record.get("deadline") else [],
    }
    for scheme, found in terms.items():
        for term in found:
            _add(entry, "category", term=term, scheme=f"urn:comity:{scheme}")


def _text(entry: Any, name: str, texts: Sequence[Mapping[str, str]], language: str | None) -> None:
    """Add the text in the language, else in the first; a title is never missing, a summary may be."""
    fit = [text for text in texts if language is not None and _is_in(text["language"], language)]
    # What is in the very language comes before what is in that of a region.
    chosen = min(fit, key=lambda text: len(text["language"])) if fit else texts[0] if texts else None
    if chosen is None:
        if name == "title":
            _add(entry, name, "(without a title)")
        return
    _add(entry, name, chosen["text"], type="text").set(_LANGUAGE, chosen["language"])


def _is_in(tag: str, language: str) -> bool:
    tag, language = tag.lower(), language.lower()
    return tag == language or tag.startswith(f"{language}-")


def _add(parent: Any, name: str, content: str | None = None, **attributes: str) -> Any:
    child = etree.SubElement(parent, f"{{{_ATOM}}}{name}", attrib=attributes)
    if content is not None:
        child.text = _NO_XML.sub("", content)
    return child


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
