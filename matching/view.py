"""A view: the engine pinned at one moment, immutable, safe to rank from another thread while puts go on.

All reading goes through a view, so one answer never mixes two states. It computes; it stores nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from matching import judging
from matching.accounts import Accounts, MemberAccount
from matching.backing import back
from matching.cache import Cache
from matching.changes import WhatIf, changes_of
from matching.columns import CATEGORIES, MEMBER_ROW, Geography, Numbers, facts_of
from matching.dated import dated_projects
from matching.documents import MemberDocument
from matching.epoch import Epoch
from matching.explaining import explain_pair
from matching.explanation import Explanation
from matching.family import root_of
from matching.gaps import Rescored, gaps_of
from matching.items import Pairs, best_items
from matching.kernel import best_three
from matching.lists import BANDS, COMPONENTS, LABELS, STEPS, RankedList, Row, names_of
from matching.members import PinnedMembers, active_terms
from matching.notices import Notices
from matching.openings import PinnedProjects, ProjectState
from matching.placement import STEP_BITS, place
from matching.recording import as_recorded
from matching.records import Member, Project
from matching.rules import codes_of
from matching.scoring import PairScore, score_pair
from matching.sentences import Phrases
from matching.standings import Standings, standings_of
from matching.telling import Telling
from matching.ties import id_words, sorted_order, tie_hashes
from matching.uncounting import uncount_items, uncount_texts
from matching.weights import Weights

_KEPT_DAYS = 16
_CATEGORY_NAMES = np.array([*CATEGORIES, *[""] * (256 - len(CATEGORIES))], object)


class View:
    """A pinned state of an `Engine`; get one with `Engine.pin`."""

    def __init__(
        self,
        *,
        epoch: Epoch,
        accounts: Accounts,
        members: PinnedMembers,
        projects: PinnedProjects,
        names: Numbers,
        geography: Geography,
        phrases: Callable[[str], Phrases],
    ) -> None:
        self._epoch = epoch
        self._phrases = phrases
        self._accounts = accounts
        self._members = members
        self._projects = projects
        self._names = names
        self._geography = geography
        self._countries = geography.countries.names
        self._days: Cache[tuple[str, int], judging.Day] = Cache(_KEPT_DAYS)

    @property
    def epoch(self) -> str:
        """The content hash of the epoch that every number here was computed under."""
        return self._epoch.hash

    @property
    def weights(self) -> Weights:
        """The table of that epoch."""
        return self._epoch.weights

    @property
    def projects(self) -> tuple[str, ...]:
        """Ids of the projects in the engine, sorted."""
        return self._projects.ids

    @property
    def members(self) -> tuple[str, ...]:
        """Ids of the members in the engine, sorted."""
        return tuple(sorted(self._members.ids[self._members.rows["present"]].tolist()))

    def __len__(self) -> int:
        """Return the number of members in the engine, eligible or not."""
        return int(self._members.rows["present"].sum())

    def member(self, member: str) -> Member:
        """Return a member's record as it stands here (KeyError if unknown)."""
        return self._members.state(member).record

    def root(self, member: str) -> str:
        """Return the organisation that stands for a member's whole group, itself where it has no parent."""
        return root_of(member, self._members.parents)

    def project(self, project: str) -> Project:
        """Return a project's record as it stands here (KeyError if unknown)."""
        return self._projects.states[project].record

    def basis(self, project: str) -> Hashable:
        """Return what a project's list is computed from, beside epoch and day (KeyError if unknown).

        It is the same thing in every view for as long as neither that project nor any member has changed.
        """
        return self._members.moment, self._projects.states[project]

    def rank(
        self, project: str, reference_date: str, *, instead: Mapping[str, Mapping[str, int]] | None = None
    ) -> RankedList:
        """Rank every eligible candidate of a project (KeyError if unknown) at an ISO date. Releases the GIL inside.

        `instead` gives the points by component that some members would have: the list as it would then be.
        """
        state = self._projects.states[project]
        members, weights = self._members, self._epoch.weights
        day = self._day(reference_date)
        rules = judging.failed_rules(
            members.rows, state.facts, roots=members.roots, owner_roots=np.asarray(self._owner_root(state))
        )
        present = members.rows["present"]
        eligible = np.flatnonzero(present & (rules == 0))
        components = self._components(state)
        for member, would_be in (instead or {}).items():
            components[members.state(member).row] = [would_be[name] for name in COMPONENTS]
        points = components.sum(axis=1)
        tie = tie_hashes(self._epoch.tie_key, project, members.rows["words"])
        enrolled = members.enrolled(day.number)
        labels = judging.labels_of(members.rows, state.facts, day=day, enrolled=enrolled)
        above = judging.above_floor(components, state.facts, weights)
        order = eligible[sorted_order(points[eligible], tie[eligible], members.rows["order"][eligible])]
        placed = place(
            members.roots[order],
            above_floor=above[order],
            local=judging.has_label(labels[order], "local"),
            newcomer=judging.has_label(labels[order], "newcomer"),
            weights=weights,
        )
        order = order[placed.order]
        fit = judging.fits(points[order], state.facts)
        excluded = np.flatnonzero(present & (rules != 0))
        excluded = excluded[np.argsort(members.ids[excluded].astype(str), kind="stable")]
        return RankedList(
            project=project,
            project_revision=state.record.revision,
            epoch=self._epoch.hash,
            reference_date=reference_date,
            total_budget=state.query.total,
            budgets=dict(state.query.budgets),
            serves_ldc=any(country in self._ldc(reference_date) for country in state.record.countries),
            head=placed.head,
            members=members.ids[order].tolist(),
            ids=members.rows["order"][order],
            revisions=members.rows["revision"][order],
            points=points[order],
            components=components[order],
            fit=fit,
            band=judging.bands(fit, self._epoch.bands),
            above_floor=above[order],
            confidence=judging.confidences(members.rows, state.facts)[order],
            labels=labels[order],
            steps=placed.steps[placed.order],
            tie=tie[order],
            category=_CATEGORY_NAMES[members.rows["category"][order]],
            sector=members.rows["sector"][order],
            country=np.array([*self._countries, ""], object)[members.rows["hq"][order]],
            regions=members.rows["regions"][order],
            region_codes=self._geography.region_codes,
            offers=members.rows["offers"][order],
            need_weights=state.query.need_weights,
            excluded_members=members.ids[excluded].tolist(),
            excluded_rules=rules[excluded],
        )

    def explain(
        self,
        project: str,
        member: str,
        reference_date: str,
        *,
        edited: Member | None = None,
        language: str = "en",
        passages: bool = False,
        gaps: bool = False,
    ) -> Explanation:
        """Explain a candidate's points, eligible or not; with `edited`, those of an edited copy of its record.

        `language` is one of `sentences.LANGUAGES`; `passages` adds the sentences of both texts to each part of a text, `gaps`
        what the project asks for and the profile lacks: a rescoring for each, so ten times the work.
        """
        state = self._projects.states[project]
        if edited:
            account, pairs = self._edited(edited, on=reference_date), None
        else:
            here = self._members.state(member)
            account, pairs = self._accounts.of_member(here.record), here.pairs
        record, document = account.record, account.document
        score = self._scored(state, account, pairs)
        facts, telling = self._facts(record, document), self._telling(state, language)
        row = self._judged(state, record, facts, score, reference_date)
        explained = explain_pair(
            state=state,
            account=account,
            telling=telling,
            score=score,
            epoch=self._epoch,
            row=row,
            reference_date=reference_date,
            failed=codes_of(self._failed(state, record, facts)),
            passages=passages,
        )
        if not gaps:
            return explained
        rescored = self._rescored(state)
        found = gaps_of(state, score, account, telling, epoch=self._epoch, rescored=rescored)
        return replace(explained, gaps=found)

    def reasons(self, project: str, member: str, *, language: str = "en") -> tuple[str, ...]:
        """Say why a candidate has its points in a few sentences: those of `explain`, without naming every part."""
        return self.notices(project, [member]).reasons(member, language)

    def notices(self, project: str, members: Iterable[str]) -> Notices:
        """Return what tells these members of a project, each pair scored once; who is not here is left out."""
        found = []
        for member in members:
            with suppress(KeyError):
                found.append(self._members.state(member))
        return Notices(
            self._projects.states[project],
            found,
            accounts=self._accounts,
            phrases=self._phrases,
            weights=self._epoch.weights,
        )

    def reasons_told(
        self, project: str, members: Iterable[str], *, language: str = "en"
    ) -> dict[str, tuple[str, ...]]:
        """Return what `reasons` has said of these pairs already; nothing is worked out, and any thread may ask."""
        found: dict[str, tuple[str, ...]] = {}
        for member in members:
            with suppress(KeyError):  # of whom nothing is known here, nothing was said
                one, other = self._projects.states[project].record, self._members.state(member).record
                told = self._accounts.told(one, other, language)
                if told is not None:
                    found[member] = told
        return found

    def what_if(self, project: str, edited: Member, reference_date: str) -> Row:
        """Give points and place that an edited (or new) record would have, by rescoring it exactly.

        The rank is that of the sorted order (before the placement steps of the head); it counts the other eligible
        candidates as they are. A record that a hard rule leaves out has rank 0.
        """
        state = self._projects.states[project]
        account = self._edited(edited, on=reference_date)
        record, facts = account.record, self._facts(account.record, account.document)
        row = self._judged(state, record, facts, self._scored(state, account), reference_date)
        if self._failed(state, record, facts):
            return row
        ranked = self.rank(project, reference_date)
        others = [
            (-points, tie, name)
            for points, tie, name in zip(
                ranked.points.tolist(), ranked.tie.tolist(), ranked.members, strict=True
            )
            if name != edited.id
        ]
        mine = (-row.points, row.tie, edited.id)
        return replace(row, rank=1 + sum(other < mine for other in others))

    def what_ifs(
        self,
        project: str,
        member: str,
        reference_date: str,
        *,
        language: str = "en",
        explained: Explanation | None = None,
    ) -> tuple[WhatIf, ...]:
        """Say which few changes of a candidate's profile would give it a better rank, each proved by ranking anew.

        Empty for one that a hard rule leaves out, and for the first. `explained` is the pair's explanation with its gaps,
        where it was made already.
        """
        state, here = self._projects.states[project], self._members.state(member)
        before = self.rank(project, reference_date).position_of(member)
        if before is None or before == 1:
            return ()
        if explained is None:
            explained = self.explain(project, member, reference_date, language=language, gaps=True)
        proved: list[WhatIf] = []
        for change in changes_of(explained, here.record, self._rescored(state)):
            score = self._scored(state, self._edited(change.edited, on=None))
            ranked = self.rank(project, reference_date, instead={member: score.components})
            rank = ranked.position_of(member)
            best = min((one.rank for one in proved if one.code == change.code), default=before)
            if rank is not None and rank < best:
                proved.append(change.proved(points=score.points, rank=rank, phrases=self._phrases(language)))
        return tuple(proved)

    def points_of(self, members: Sequence[str], reference_date: str) -> Standings:
        """Points of some members on every project in the engine, from the projects index; the integers of `rank`."""
        return standings_of(
            [self._members.state(member) for member in members],
            members=self._members,
            projects=self._projects,
            owner_roots=self._owner_roots(),
            day=self._day(reference_date),
            epoch=self._epoch,
        )

    def dated(self, before: str, after: str) -> tuple[str, ...]:
        """Ids of the projects whose lists differ between two reference dates: all others are the same list at both."""
        found = dated_projects(
            self._members,
            self._projects,
            owner_roots=self._owner_roots(),
            geography=self._geography,
            before=self._day(before),
            after=self._day(after),
        )
        return tuple(self._projects.ids[place] for place in np.flatnonzero(found))

    def _components(self, state: ProjectState) -> npt.NDArray[np.int64]:
        """Points of every row on one project, by component."""
        members = self._members
        found = np.zeros((len(members.rows), len(COMPONENTS)), np.int64)
        if not len(members.rows):
            return found
        sums = members.profiles.sums([*state.versions, *state.structured])
        versions = len(state.versions)
        if versions:
            found[:, 0] = sums[:versions].max(axis=0)
            uncount_texts(state, members, found[:, 0])
            items = np.maximum(
                members.items.sums(state.items).max(axis=0) - np.int32(state.query.threshold), 0
            )
            uncount_items(state, members, items)
            found[:, 1] = best_three(items, members.owners, len(members.rows)).sum(axis=1, dtype=np.int64)
            for one in members.conflicts:
                points = items[list(one.entries)].tolist()
                chosen = best_items(points, one.pairs, self._epoch.weights.evidence_items)
                found[one.row, 1] = sum(points[place] for place in chosen)
        found[:, 2:] = sums[versions:].T
        back(found, self._epoch.weights)
        return found

    def _edited(self, edited: Member, *, on: str | None) -> MemberAccount:
        """The account of a record that stands nowhere, as it would be recorded on a day (None: told in sentences of its own)."""
        row = self._members.row_of.get(edited.id)
        held = None if row is None or row >= len(self._members.states) else self._members.states[row]
        return self._accounts.of_edited(as_recorded(edited, held.record if held else None, on=on))

    def _telling(self, state: ProjectState, language: str) -> Telling:
        return Telling(self._accounts.of_project(state.record), self._phrases(language))

    def _scored(self, state: ProjectState, account: MemberAccount, pairs: Pairs | None = None) -> PairScore:
        """One pair from its two records alone; what it counts is what the indexes count."""
        reading = account.read_by(state.quoting)
        return score_pair(state.query, account.document, self._epoch.weights, reading=reading, pairs=pairs)

    def _rescored(self, state: ProjectState) -> Rescored:
        return lambda record: self._scored(state, self._edited(record, on=None)).points

    def _judged(
        self, state: ProjectState, record: Member, facts: npt.NDArray[Any], score: PairScore, day: str
    ) -> Row:
        """One pair from its record alone, without the indexes; rank 0."""
        weights = self._epoch.weights
        components = np.array([score.components[name] for name in COMPONENTS], np.int64)
        resolved = self._day(day, self._geography.countries.names)
        enrolled = np.asarray(any(first <= resolved.number <= last for first, last in active_terms(record)))
        labels = judging.labels_of(facts, state.facts, day=resolved, enrolled=enrolled)
        fit = judging.fits(components.sum(), state.facts)
        above = bool(judging.above_floor(components, state.facts, weights))
        words = np.array([id_words(record.id)], np.uint64)
        return Row(
            rank=0,
            member=record.id,
            revision=record.revision,
            points=score.points,
            components=dict(score.components),
            fit=int(fit),
            band=BANDS[int(judging.bands(fit, self._epoch.bands))],
            above_floor=above,
            confidence=int(judging.confidences(facts, state.facts)),
            labels=names_of(int(labels), LABELS),
            steps=names_of(0 if above else STEP_BITS["below_floor"], STEPS),
            tie=int(tie_hashes(self._epoch.tie_key, state.record.id, words)[0]),
        )

    def _facts(self, record: Member, document: MemberDocument) -> npt.NDArray[Any]:
        row = np.zeros((), MEMBER_ROW)
        facts = facts_of(
            record,
            has_data=document.has_data,
            number=self._names[record.id],
            geography=self._geography,
            willing_reaches=bool(self._epoch.weights.willing_reaches),
        )
        for name, fact in facts.items():
            row[name] = fact
        return row

    def _failed(self, state: ProjectState, record: Member, facts: npt.NDArray[Any]) -> int:
        parents = self._members.parents
        if parents.get(record.id) != (record.parent or None):  # an edited copy's
            parents = {child: parent for child, parent in parents.items() if child != record.id}
            parents |= {record.id: record.parent} if record.parent else {}
        root = np.asarray(self._names[root_of(record.id, parents)])
        owner_root = np.asarray(self._owner_root(state, parents))
        return int(judging.failed_rules(facts, state.facts, roots=root, owner_roots=owner_root))

    def _day(self, reference_date: str, countries: tuple[str, ...] | None = None) -> judging.Day:
        """The day for countries by number: those of the members here, or those given, which are these and more."""
        countries = countries or self._countries
        found = self._days.get((reference_date, len(countries)))
        if found is None:
            found = judging.resolve_day(reference_date, self._epoch.reference, countries)
            self._days.keep((reference_date, len(countries)), found)
        return found

    def _owner_roots(self) -> npt.NDArray[np.int64]:
        return np.array([self._owner_root(state) for state in self._projects.states.values()], np.int64)

    def _owner_root(self, state: ProjectState, parents: Mapping[str, str] | None = None) -> np.int64:
        owner, known = state.record.owner, self._members.parents if parents is None else parents
        return np.int64(self._names[root_of(owner, known)] if owner else -1)

    def _ldc(self, day: str) -> frozenset[str]:
        return self._epoch.reference.members_of("ldc", day)
