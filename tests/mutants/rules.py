"""The rules that the event backbone stands on, in our own words, each under the code by which its mutants name it.

What: one sentence a rule. Why a table: a rule is kept where something breaks it on purpose and a test notices, so a test
holds this table against the catalogue, and the page of the docs is laid out by it. A rule that is added here without a
mutant is a failing test. It must not say how a rule is kept: the code does.
"""

from collections.abc import Mapping, Sequence

from tests.mutants.mutant import Mutant

PARTS: Mapping[str, Mapping[str, str]] = {
    "The way of an event": {
        "R1": "Application code adds rows; it neither commits nor produces. An event is in the outbox if and only if its transaction commits.",
        "R2": "The outbox row comes after the aggregate's row, in the same transaction; size and schema are checked there.",
        "R3": "The relay takes what is there, appends it, deletes it. It has no cursor.",
        "R4": "To append an event again has no effect.",
        "R5": "A consumer's transaction is the position's compare-and-set and the effects, whole or not at all.",
        "R6": "A projection takes what is newer than what it has, and nothing else.",
        "R7": "An effect outside the database comes from a delivery row, whose id is the idempotency key.",
        "R8": "A position remembers the identity of its log: another log, or one that ends before it, is a loud stop.",
        "R9": "A relay is fenced at the log: of one that was taken over nothing becomes readable.",
    },
    "Topics and sequences": {
        "T1": "An event is a CloudEvent in binary mode: attributes in the headers, the data alone in the value.",
        "T2": "A type is reverse-DNS and in the past tense, its version last.",
        "T3": "A released schema never changes, and each model is what was released last.",
        "T4": "The AsyncAPI document is generated from the catalogue of topics.",
        "T5": "A state topic is compacted, so each record is the full state of its key.",
        "T6": "A standing's key is the pair; its partition follows from `partitionkey`, the project, which the outbox keeps apart.",
        "T7": "A standing's version is the number of the list version that it came with.",
        "T8": "A pair has one record for each crossing of the floor or of a band, and a tombstone below the floor.",
        "T9": "A history topic is never compacted, and is kept without limit.",
        "T10": "`matches.v1` has one record for each list version, and one when the list of an erased project is shown no more.",
        "T11": "`epochs.v1` has each epoch by its hash; the body is stored, not sent.",
        "T12": "A sequence is (incarnation, version), compared in that order by every reader.",
        "T13": "The relay orders by the position that the database gave out, never by id or time.",
        "T14": "The embedded log keeps (key → last sequence) apart from its records, untouched by compaction.",
        "T15": "The record at the very offset of a position's last event, if one stands there, is that event; else a loud stop.",
        "T16": "Republishing says every aggregate again under the sequence that it has, and is no news to anybody.",
        "T17": "Caught up means that the fetch position has reached the last stable offset.",
        "T18": "A tombstone carries its sequence.",
        "T19": "A tombstone is never parked, and clears what was set aside for its key.",
        "T20": "State topics have a bound for compaction (`max.compaction.lag.ms`) and keep tombstones for 30 days; a topic that was made otherwise is refused.",
        "T21": "A consumer stops and asks for a rebuild if tombstones above its position may be gone, and only then.",
        "T22": "The partition count of a state topic never changes.",
        "T23": "A restore raises the incarnation, reads the own topics to their end, and says the present state anew.",
        "T24": "What is current can be rebuilt from the log.",
        "T25": "Older revisions and list versions with their numbers are never rebuilt, only backed up.",
        "T26": "A database that does not know what its own topics hold sends nothing and accepts nothing: a loud stop that names `comity restore`.",
        "T27": "A restore refuses what can be refused before it puts anything in place.",
    },
    "Workers": {
        "W1": "Every process that ranks or reads follows the archive, whoever wrote to it.",
        "W2": "Nothing is ranked that is not archived; there is no second reader of the log.",
        "W3": "A changed member re-ranks the lists where it enters, leaves or moves in the first rows, or crosses the floor or a band, and no others.",
        "W4": "A batch of changed members ranks a list once.",
        "W5": "A local or newcomer above the floor moves a list from below its first rows too.",
        "W6": "A changed input of rules or placement re-ranks where the member or a descendant of it is eligible.",
        "W7": "Ownership is the group's assignment of the projects topic, nothing else.",
        "W8": "Taking a partition over raises its generation.",
        "W9": "Taking over waits until the indexes have reached the committed positions.",
        "W10": "Taking over ranks every list of the partition.",
        "W11": "Every version is written in a transaction that checks the generation.",
        "W12": "(Project, number) is compared and set.",
        "W13": "`ranked_to` moves in the transaction of the versions.",
        "W14": "`ranked_to` moves after every pass, with or without a version.",
        "W15": "`ranked_to` never moves past a project that failed.",
        "W16": "Lag and “lists complete” are read from `ranked_to`.",
        "W17": "A refused owner that is still assigned takes over anew.",
        "W18": "A refused owner that is not assigned any more drops the partition.",
        "W19": "A pass is pinned: one view, one vector of positions, for every list of it.",
        "W20": "A pass runs in a thread, never on the event loop.",
    },
    "Failure": {
        "F1": "Later records of a dead letter's key are parked in order.",
        "F2": "A limit halts a partition instead of emptying the topic.",
        "F3": "Transient errors are tried again in place.",
    },
    "Time and shape": {
        "D1": "The reference date is the last day opened, never backwards.",
        "S1": "The embedded log serves exactly one process.",
    },
}
"""Part → code → rule."""

RULES: Mapping[str, str] = {code: rule for rules in PARTS.values() for code, rule in rules.items()}


def by_rule(mutants: Sequence[Mutant]) -> Mapping[str, Sequence[Mutant]]:
    """Return the mutants of each rule, in the order of the table; raises KeyError for a mutant of no rule in it."""
    found: dict[str, list[Mutant]] = {code: [] for code in RULES}
    for mutant in mutants:
        found[mutant.rule].append(mutant)
    return found
