"""The engine: members and projects go in, pinned views that rank and explain come out.

Pure: it reads no clock, no file and no network, starts no thread, and its result depends on the records, the epoch and
the reference date alone. One thread puts; any thread may use a view. Order and repetition of puts change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from matching.accounts import Accounts
from matching.analysis import Analysed, Analyser
from matching.columns import Geography, Numbers
from matching.documents import DocumentBuilder
from matching.epoch import Epoch
from matching.members import MemberStore
from matching.openings import ProjectStore
from matching.queries import build_query
from matching.quoting import Quoting
from matching.records import Member, Project
from matching.sentences import LANGUAGES, Phrases, phrases_in
from matching.snapshots import Basis, Snapshot, pieces
from matching.view import View
from matching.vocabulary import Vocabulary
from matching.weighed import MemberWeigher

Glossary = Mapping[str, Mapping[str, str]]
"""Names of terms that stand for codes, by language and term."""


class AnotherAnalyser(ValueError):  # noqa: N818 - what is the matter
    """The epoch was fitted with another text analyser than the one that is here: nothing can be ranked under it."""


class Engine:
    """Both indexes of one epoch: members (asked by projects) and projects (asked by changed members).

    `analyser` may be shared by engines; it holds a cache by text. AnotherAnalyser if it is not the one that the epoch was
    fitted with: an engine ranks only under an epoch whose analyser it has. `glossary` gives, by language, the names of terms that
    stand for codes (``country:KEN``: Kenya), for sentences alone; a term that it lacks is shown as it is.
    """

    def __init__(
        self, epoch: Epoch, *, analyser: Analyser | None = None, glossary: Glossary | None = None
    ) -> None:
        self._analyser = analyser or Analyser()
        if self._analyser.number != epoch.analyser:
            raise AnotherAnalyser(
                f"the epoch needs text analyser {epoch.analyser}; here is {self._analyser.number}"
            )
        self._epoch = epoch
        self._glossary = {} if glossary is None else glossary
        self._phrases: dict[str, Phrases] = {}
        self._builder = DocumentBuilder(epoch)
        self._accounts = Accounts(analyser=self._analyser, builder=self._builder, epoch=epoch)
        vocabulary, names, self._geography = Vocabulary(), Numbers(), Geography(epoch.reference)
        self._vocabulary = vocabulary
        self._words = self._unknown_words = self._words_seen = 0
        self._weigher = MemberWeigher(epoch, vocabulary)
        self._members = MemberStore(names=names, geography=self._geography, weights=epoch.weights)
        self._projects = ProjectStore(vocabulary=vocabulary, names=names, geography=self._geography)
        self._names = names
        self._member_sequences: dict[str, tuple[int, int]] = {}
        self._project_sequences: dict[str, tuple[int, int]] = {}
        self._recalled: Snapshot | None = None

    @property
    def epoch(self) -> Epoch:
        """The epoch that this engine scores under."""
        return self._epoch

    @property
    def analyser(self) -> Analyser:
        """The analyser that turns texts into stems here."""
        return self._analyser

    def unknown_words(self) -> tuple[int, int]:
        """Return how many different words of all texts taken in so far the epoch's corpus lacks, and of how many.

        They count as the rarest there are, so with many of them a new epoch is due. For one caller at a time.
        """
        new = self._vocabulary.since(self._words_seen)
        self._words_seen += len(new)
        words = [term for term in new if term[:2] == "w:"]
        frequencies = (self._epoch.profile.frequencies, self._epoch.evidence.frequencies)
        self._words += len(words)
        self._unknown_words += sum(not any(term in known for known in frequencies) for term in words)
        return self._unknown_words, self._words

    def recall(self, snapshot: Snapshot | None) -> None:
        """Take from this snapshot what is put under a `key` that it holds, or (None) from none any more."""
        self._recalled = snapshot

    def snapshot(
        self, basis: Basis, archived: Mapping[str, tuple[tuple[int, int], str]]
    ) -> Iterator[bytes | memoryview]:
        """Yield a snapshot of the members that stand here as they are archived; for the thread that puts.

        `archived` gives of each member (incarnation, revision) of its newest record, and its content hash, which is the `key`.
        """
        keys = {
            member: key for member, (at, key) in archived.items() if self._member_sequences.get(member) == at
        }
        yield from pieces(basis, self._members.kept(keys), self._vocabulary)

    def put_member(
        self, member: Member, analysed: Analysed | None = None, *, incarnation: int = 0, key: str = ""
    ) -> bool:
        """Take in a member's revision; False (and nothing done) if the same or a later one is there.

        Revisions are compared as (`incarnation` of their owner, revision), as every reader of the log does.
        `analysed` is what the archive kept of this revision (`Analyser.analyse_member`); without it, or where another
        analyser made it, the texts are analysed here. An older revision is taken in only after `remove_member`.
        `key` is the content hash of the archived record, by which a snapshot that was recalled spares the weighing.
        """
        sequence = (incarnation, member.revision)
        if self._member_sequences.get(member.id, (-1, 0)) >= sequence:
            return False
        stems = self._own(analysed) or self._analyser.analyse_member(member)
        added = self._analyser.added(member.recorded)
        recalled = self._recalled
        known = None if recalled is None else recalled.take(key, added, self._weigher)
        self._members.put(member, known or self._weigher.weigh(member, stems, added))
        self._accounts.keep(member, stems)
        self._member_sequences[member.id] = sequence
        return True

    def remove_member(self, member: str) -> bool:
        """Forget a member (erasure, or a withdrawn record that is to vanish); False if it was not there."""
        self._member_sequences.pop(member, None)
        self._accounts.forget(member)
        return self._members.remove(member)

    def put_project(
        self, project: Project, analysed: Analysed | None = None, *, incarnation: int = 0
    ) -> bool:
        """Take in a project's revision, to be ranked; False if the same or a later one is there (see `put_member`)."""
        sequence = (incarnation, project.revision)
        if self._project_sequences.get(project.id, (-1, 0)) >= sequence:
            return False
        stems = self._own(analysed) or self._analyser.analyse_project(project)
        query = build_query(project, stems, self._epoch)
        quoting = Quoting(
            stems.fields,
            builder=self._builder,
            weights=self._epoch.weights,
            budgets=query.budgets,
            vocabulary=self._vocabulary,
            published_on=project.published_on,
        )
        self._projects.put(project, query, quoting)
        self._project_sequences[project.id] = sequence
        return True

    def remove_project(self, project: str) -> bool:
        """Forget a project (closed, withdrawn, erased); False if it was not there."""
        self._project_sequences.pop(project, None)
        return self._projects.remove(project)

    def tend(self) -> bool:
        """Put the indexes in order, where that is due: for a moment when nobody waits. No result changes.

        For the thread that puts; a put does it itself where nobody else did in time. False if there was nothing to do.
        """
        return self._members.tend() | self._projects.tend()

    def pin(self) -> View:
        """Return an immutable view of the present state; cheap, and what did not change is shared with the last one."""
        return View(
            epoch=self._epoch,
            accounts=self._accounts,
            members=self._members.pin(),
            projects=self._projects.pin(),
            names=self._names,
            geography=self._geography,
            phrases=self._phrases_in,
        )

    def _phrases_in(self, language: str) -> Phrases:
        found = self._phrases.get(language)
        if found is None:
            names = self._glossary.get(language) or self._glossary.get(LANGUAGES[0], {})
            found = self._phrases[language] = phrases_in(language).naming(names)
        return found

    def _own(self, analysed: Analysed | None) -> Analysed | None:
        """Return stems that this analyser made: an archive keeps those of a release before."""
        return analysed if analysed is not None and analysed.analyser == self._analyser.number else None
