"""What stuffing a profile pays: nineteen attacks by organisations that do not fit, in an edit and in a first profile; copies; and one honest sentence.

What: on the demo data, each attacker (a candidate from the lower half of a list) edits its profile, is rescored exactly,
and its place before and after is compared; then the same in a profile whose first revision comes after the project's publication, beside that profile without the attack. What the door refuses (a text in another language than declared) changes nothing. Why: a defence that nobody attacks is a hope. It must not publish a recipe
that the ranking statement does not already give. Copies of the first of a list, each an organisation of its own (Sybil), are no
matter of points: how many of the places that are placed they take, with a declared parent and without one.

`python -m benchmarks.gaming [--pairs N] [--json]`
"""

import argparse
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import Claim, machine, report
from matching.engine import Engine
from matching.epoch import Epoch
from matching.records import Evidence, Member, Offer, Project, Recorded, Tag, Text
from matching.view import View
from services.chassis.reference import load_reference
from services.chassis.reference.languages import LanguageChecks, load_language_checks
from services.console.corpus import read_corpus
from services.console.loading import DEMO_FOLDER
from services.matches.commands import first_epoch

DAY = "2026-11-24"
RECORDED_ON, PUBLISHED_ON = "2026-10-01", "2026-11-02"
"""Profiles stand before the projects are published; an attack is an edit that comes after it, or a first profile that does."""

ANEW = "0190163d-8694-739b-aea5-966c26f8ad91"
"""Who comes with a first profile: no other organisation's id."""

NO_SUBJECT = tuple(f"Quetzal{number}" for number in range(30))
"""Words that no project has."""

FIRST = 10
MOST_GAIN, MOST_IN_HEAD = 5.0, 5.0
"""Goals: median gain and attackers in the first ten, per cent."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who edits its profile for which project, and the chance by which words are drawn."""

    member: Member
    project: Project
    chance: random.Random


def accepted(attempted: Member, own: Member, checks: LanguageChecks) -> Member:
    """Return the edited profile, or the own one where a text that was added would be refused."""
    added = [text for text in attempted.descriptions if text not in own.descriptions]
    refused = any(checks.check(text.text, language=text.language) for text in added)
    return own if refused else attempted


Attack = Callable[[Attempt], Member]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One attacker on one project: places before and after, of how many."""

    before: int
    after: int
    candidates: int

    @property
    def gain(self) -> float:
        """Places won, per cent of the candidates."""
        return 100 * (self.before - self.after) / self.candidates


def text_of(project: Project) -> Text:
    """Return the project's longest text, in the language that stands first."""
    return max(project.objectives or project.summaries or project.titles, key=lambda one: len(one.text))


def words_of(project: Project) -> list[str]:
    """Return the longer words of the project's text, each once, in their order."""
    return list(dict.fromkeys(word for word in text_of(project).text.split() if len(word) > 4))


def said(member: Member, project: Project, text: str) -> Member:
    """Return the member with a text added to its description in the project's language."""
    added = Text(language=text_of(project).language, text=text)
    return replace(member, descriptions=(*member.descriptions, added))


def appended(member: Member, project: Project, text: str) -> Member:
    """Return the member with words at the end of its own description in the project's language, or in a new one."""
    language = text_of(project).language
    place = next((n for n, one in enumerate(member.descriptions) if one.language == language), None)
    if place is None:
        return said(member, project, text)
    own = member.descriptions[place]
    longer = replace(own, text=f"{own.text.rstrip('.')} {text}.")
    return replace(
        member, descriptions=(*member.descriptions[:place], longer, *member.descriptions[place + 1 :])
    )


def proved(member: Member, *items: Text) -> Member:
    """Return the member with evidence items added."""
    made = (Evidence(id=f"z{number}", role="lead", texts=(text,)) for number, text in enumerate(items))
    return replace(member, evidence=(*member.evidence, *made))


def repetition(at: Attempt) -> Member:
    """Three of the project's words, forty times."""
    return said(at.member, at.project, " ".join(words_of(at.project)[:3] * 40))


def repetition_in_place(at: Attempt) -> Member:
    """The same at the end of a sentence of its own."""
    return appended(at.member, at.project, " ".join(words_of(at.project)[:3] * 40))


def soup(at: Attempt) -> Member:
    """Twenty of the project's words in a row."""
    words = words_of(at.project)
    return said(at.member, at.project, " ".join(at.chance.sample(words, min(20, len(words)))))


def paste(at: Attempt) -> Member:
    """The project's text as it stands."""
    return said(at.member, at.project, text_of(at.project).text)


def proving(at: Attempt) -> Member:
    """The project's text as three past projects, beside a profile that stays as it was."""
    return proved(at.member, *(text_of(at.project) for _ in range(3)))


def shuffled(at: Attempt) -> Member:
    """The project's text, its words in another order."""
    words = text_of(at.project).text.split()
    at.chance.shuffle(words)
    return said(at.member, at.project, " ".join(words))


def thinned(words: list[str], every: int, *, foreign: tuple[str, ...] = ("Quetzalcoatlus",)) -> str:
    """Return words with one of no subject after every so many, the foreign ones in turn."""
    return " ".join(
        f"{word} {foreign[number // every % len(foreign)]}" if number % every == 0 else word
        for number, word in enumerate(words, start=1)
    )


def diluted(at: Attempt) -> Member:
    """The project's text with a word of no subject after every seventh."""
    return said(at.member, at.project, thinned(text_of(at.project).text.split(), 7))


def diluted_thickly(at: Attempt) -> Member:
    """The same after every second."""
    return said(at.member, at.project, thinned(text_of(at.project).text.split(), 2))


def diluted_shuffled(at: Attempt) -> Member:
    """The project's text in another order, with a word of no subject after every third: what gets round the rule of rows of words."""
    words = text_of(at.project).text.split()
    at.chance.shuffle(words)
    return said(at.member, at.project, thinned(words, 3))


def diluted_variously(at: Attempt) -> Member:
    """The same with words that differ, after each of its own."""
    words = text_of(at.project).text.split()
    at.chance.shuffle(words)
    return said(at.member, at.project, thinned(words, 1, foreign=NO_SUBJECT))


def padding(at: Attempt) -> Member:
    """Twenty evidence items off the subject."""
    return proved(
        at.member, *(Text(language="en", text=f"A cattle market in district {n}") for n in range(20))
    )


def copies(at: Attempt) -> Member:
    """Each own evidence item ten times."""
    items = (replace(item, id=f"{item.id}-{number}") for item in at.member.evidence for number in range(10))
    return replace(at.member, evidence=(*at.member.evidence, *items))


def tags(at: Attempt) -> Member:
    """Every tag of the project, and fifty others."""
    others = tuple(Tag(scheme="sdg", code=str(number)) for number in range(1, 18))
    return replace(at.member, tags=tuple(dict.fromkeys((*at.member.tags, *at.project.tags, *others))))


def offers(at: Attempt) -> Member:
    """Every kind of need of the project offered."""
    return replace(
        at.member, offers=(*at.member.offers, *(Offer(kind=need.kind) for need in at.project.needs))
    )


def hidden(at: Attempt) -> Member:
    """Twenty of the project's words with zero-width and bidirectional characters inside."""
    words = [f"{word[:2]}\u200b{word[2:]}\u202e" for word in words_of(at.project)[:20]]
    return said(at.member, at.project, " ".join(words))


def mixing(at: Attempt) -> Member:
    """The same thirty words declared to be in each of the six languages."""
    text = " ".join(words_of(at.project)[:30])
    added = (Text(language=language, text=text) for language in ("ar", "en", "es", "fr", "ru", "zh"))
    return replace(at.member, descriptions=(*at.member.descriptions, *added))


ATTACKS: Mapping[str, Attack] = {
    "term repetition": repetition,
    "term repetition in place": repetition_in_place,
    "keyword soup": soup,
    "pasting the project": paste,
    "pasting into evidence": proving,
    "shuffling the project": shuffled,
    "diluting the project": diluted,
    "diluting it thickly": diluted_thickly,
    "diluting it shuffled": diluted_shuffled,
    "diluting it with many words": diluted_variously,
    "padding off the subject": padding,
    "copying evidence": copies,
    "tag stuffing": tags,
    "offer stuffing": offers,
    "hidden characters": hidden,
    "language mixing": mixing,
}


def honest(at: Attempt) -> Member:
    """One sentence that says that the organisation does what the project is called."""
    title = at.project.titles[0].text
    return said(at.member, at.project, f"For two years our staff have worked on this: {title}.")


Put = Callable[[Member, Project, str], Member]


def probed(view: View, member: Member, project: Project, chance: random.Random, put: Put) -> int:
    """Ten edits of one word each, keeping those that help: the place that this finds."""
    best = view.what_if(project.id, member, DAY)
    words = words_of(project)
    for word in chance.sample(words, min(10, len(words))):
        edited = put(member, project, word)
        found = view.what_if(project.id, edited, DAY)
        if found.points > best.points:
            best, member = found, edited
    return best.rank


def beside_foreign(member: Member, project: Project, word: str) -> Member:
    """A word at the end of its own description, with one of no subject that was not taken yet."""
    told = " ".join(text.text for text in member.descriptions)
    foreign = next(one for one in NO_SUBJECT if one not in told)
    return appended(member, project, f"{word} {foreign}")


PROBES: Mapping[str, Put] = {
    "probing by edits": said,
    "probing in place": appended,
    "probing beside foreign words": beside_foreign,
}
"""Where each of the ten words is put."""

HONEST = "honest sentence"
COPIES = 9
"""With the one that is copied as many as a head has places."""


def copied(engine: Engine, *, declared: bool) -> list[int]:
    """Return for each list how many places of its head the first and its copies take; `declared`: as one group."""
    taken = []
    for name in engine.pin().projects:
        view = engine.pin()
        first = view.member(view.rank(name, DAY).members[0])
        parent = view.root(first.id) if declared else ""
        names = [f"{first.id}-{number}" for number in range(COPIES)]
        for copy in names:
            engine.put_member(replace(first, id=copy, parent=parent))
        ranked = engine.pin().rank(name, DAY)
        taken.append(sum(one in {first.id, *names} for one in ranked.members[: ranked.head]))
        for copy in names:
            engine.remove_member(copy)
    return taken


def attackers(view: View, pairs: int, chance: random.Random) -> list[tuple[Project, Member, int, int]]:
    """Return (project, member, place, candidates): drawn from the lower half of each list in turn."""
    found = []
    lists = {name: view.rank(name, DAY) for name in view.projects}
    while len(found) < pairs:
        for name, ranked in lists.items():
            place = chance.randrange(len(ranked) // 2, len(ranked))
            member = view.member(ranked.members[place])
            before = view.what_if(name, member, DAY).rank
            found.append((view.project(name), member, before, len(ranked)))
    return found[:pairs]


def measured(view: View, pairs: int, *, first: bool = False) -> dict[str, list[Outcome]]:
    """Run every attack over the same pairs; `first`: in a first profile, of which nothing is on record."""
    chance, checks = random.Random(7), load_language_checks()
    outcomes: dict[str, list[Outcome]] = {name: [] for name in (*ATTACKS, *PROBES, HONEST)}
    for project, found, place, candidates in attackers(view, pairs, chance):
        member = replace(found, id=ANEW, recorded=Recorded()) if first else found
        before = view.what_if(project.id, member, DAY).rank if first else place
        for name, attack in {**ATTACKS, HONEST: honest}.items():
            attempted = accepted(attack(Attempt(member, project, chance)), member, checks)
            after = view.what_if(project.id, attempted, DAY).rank
            outcomes[name].append(Outcome(before=before, after=after, candidates=candidates))
        for name, put in PROBES.items():
            after = probed(view, member, project, chance, put)
            outcomes[name].append(Outcome(before=before, after=after, candidates=candidates))
    return outcomes


def demo_engine() -> Engine:
    """Return an engine with the demo's organisations and initiatives under the epoch that ships."""
    corpus = read_corpus(Path(DEMO_FOLDER), load_reference())
    engine = Engine(Epoch.loads(first_epoch(None)))
    for member in corpus.members:
        evidence = tuple((item.id, RECORDED_ON) for item in member.evidence)
        engine.put_member(
            replace(member, recorded=Recorded(since=RECORDED_ON, texts=RECORDED_ON, evidence=evidence))
        )
    for project in corpus.projects:
        engine.put_project(replace(project, published_on=PUBLISHED_ON))
    return engine


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    before, engine = machine(), demo_engine()
    view = engine.pin()
    outcomes = measured(view, given.pairs)
    anew = measured(view, given.pairs, first=True)
    outcomes |= {f"{name}, in a first profile": found for name, found in anew.items()}
    claims: list[Claim] = []
    figures: dict[str, Any] = {"pairs": given.pairs}
    for name, found in outcomes.items():
        gain = round(median(one.gain for one in found), 1)
        head = round(100 * sum(one.after <= FIRST for one in found) / len(found), 1)
        if name.startswith(HONEST):
            claims.append(Claim(name=f"{name}: median gain", value=gain, unit="%", goal=0.1))
            continue
        claims.append(
            Claim(name=f"{name}: median gain", value=gain, unit="%", goal=MOST_GAIN, at_least=False)
        )
        claims.append(
            Claim(name=f"{name}: in the first ten", value=head, unit="%", goal=MOST_IN_HEAD, at_least=False)
        )
    for name, declared in (("with a declared parent", True), ("without one", False)):
        claims.append(
            Claim(
                name=f"Sybil copies {name}: most places of a head",
                value=max(copied(engine, declared=declared)),
                unit="",
                goal=view.weights.parent_cap,
                at_least=False,
            )
        )
    report(ratios={}, claims=claims, figures=figures, machine=before, as_json=given.json)


if __name__ == "__main__":
    main()
