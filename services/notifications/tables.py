"""The tables of `notifications`: what was read from the log, who wants to hear of what, and what was sent.

*What.* Projections (projects, organisations, lists, standings) are a function of the log. Subscriptions, endpoints and
dismissals are people's decisions. A notice is one piece of news for one subscription; a delivery is one message on its
way; an attempt is one try, written before the try and completed after it. *Why SQL.* A retry of three days must survive
anything. *Never:* a secret in the clear, or an address of a person outside `subscriptions.email` and `endpoints.contact_email`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from services.chassis.bus import deadletters, positions
from services.chassis.web import audit, idempotency

METADATA = MetaData()

for attach in (positions.attach, deadletters.attach, idempotency.attach, audit.attach):
    attach(METADATA)

PROJECTS = Table(
    "projects",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("incarnation", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # as in the record; "erased" after a tombstone
    Column("deadline", Text),  # ISO date
    Column("facts", LargeBinary),  # what subscriptions ask about, as JSON; NULL once erased
    Column("facts_hash", Text, nullable=False),  # of needs and countries: what is news once it changes
    Column("ending", Text),  # "closed" or "withdrawn" until those who were told are told of it
    Column("reminded_at", Text),  # the last look for reminders; NULL: none since it was revised
)
Index("projects_by_deadline", PROJECTS.c.state, PROJECTS.c.deadline)
Index("projects_by_ending", PROJECTS.c.ending)

FLAGSHIPS = Table(
    "flagships",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("incarnation", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("titles", LargeBinary, nullable=False),  # JSON, as in the record
)

ORGANISATIONS = Table(
    "organisations",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("incarnation", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("name", Text, nullable=False),  # empty once erased
)

LISTS = Table(
    "lists",
    METADATA,
    Column("project", Text, primary_key=True),
    Column("incarnation", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("project_revision", BigInteger, nullable=False),
    Column("above_floor", Integer, nullable=False),  # how many pairs must be here before anybody is told
    Column("final", Boolean, nullable=False),
    Column("reference_date", Text, nullable=False),
    Column("seen_at", Text, nullable=False),
    Column("due", Boolean, nullable=False),  # a cycle has still to tell of it
    Column("told_facts", Text),  # the project's facts_hash at the last cycle
    Column("told_incarnation", BigInteger),  # and its sequence: only what is above can have changed since
    Column("told_version", BigInteger),
    Column("told_asked", LargeBinary),  # what conditions look at, as JSON, at the last cycle
    Column("told_day", Text),  # and the reference date by which they did; NULL: before that was kept
)
Index("lists_by_due", LISTS.c.due, LISTS.c.seen_at)

STANDINGS = Table(
    "standings",
    METADATA,
    Column("project", Text, primary_key=True),
    Column("organisation", Text, primary_key=True),
    Column("incarnation", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("standing", Boolean, nullable=False),
    Column("fit", Integer, nullable=False),
    Column("band", Text),
    Column(
        "told_band", Text
    ),  # the band at the last cycle; NULL while below the floor, or a mark: empty, taken back; "-", undismissed
    Column("fresh", Boolean, nullable=False),  # crossed since the last cycle
    Column("crossed_at", Text, nullable=False),  # by the clock of who said so
    Column("seen_at", Text),  # when it was read; NULL: before that was kept
)
Index("standings_by_organisation", STANDINGS.c.organisation, STANDINGS.c.standing)
Index("standings_by_fresh", STANDINGS.c.fresh, STANDINGS.c.project)

ENDPOINTS = Table(
    "endpoints",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("organisation", Text, nullable=False, index=True),
    Column("revision", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # pending, active, paused, disabled, deleted
    Column("reason", Text),  # why it is disabled, or that nothing can be signed for it
    Column("url", Text, nullable=False),  # empty once deleted
    Column("description", Text),
    Column("failing_since", Text),
    Column("failed_at", Text),  # the last failure: one long after it begins another outage
    Column(
        "outage_since", Text
    ),  # the first failure of the last outage; nothing has arrived since `failing_since`
    Column("failures", Integer, nullable=False),
    Column("warned_at", Text),
    Column("not_before", Text),  # what Retry-After asked for
    Column("paced_until", Text),  # until when the tries that have begun use up its rate
    Column("contact_email", Text),  # who hears when it fails; NULL: nobody, or deleted
    Column("contact_language", Text),
    Column("contact_asked_at", Text),  # the last question whether it wants to hear
    Column("contact_confirmed_at", Text),
    Column("created_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
)

SECRETS = Table(
    "secrets",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("endpoint", Text, ForeignKey(ENDPOINTS.c.id), nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text),  # NULL: the newest
)

SUBSCRIPTIONS = Table(
    "subscriptions",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("organisation", Text, nullable=False, index=True),
    Column("revision", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # saved, unconfirmed, active, paused, ended
    Column("channel", Text, nullable=False),  # webhook, email, feed
    Column("endpoint", Text, ForeignKey(ENDPOINTS.c.id), index=True),
    Column("email", Text),  # the only personal data; NULL once ended
    Column("language", Text, nullable=False),
    Column("cadence", Text, nullable=False),  # instant, daily, weekly, monthly
    Column("weekly_cap", Integer),  # digests in any seven days; NULL where there are no mails
    Column("conditions", LargeBinary, nullable=False),  # JSON
    Column("quiet", LargeBinary),  # JSON: from, until, time zone
    Column("time_zone", Text, nullable=False),
    Column("next_digest_at", Text),
    Column("opted_in_at", Text),
    Column("confirmed_at", Text),
    Column("confirm_by", Text),  # asked whether it is still wanted: until when an answer is waited for
    Column("lapsed_at", Text),  # paused because nobody answered; NULL once somebody did
    Column("refused_at", Text),  # nobody is at the address, its server said: news waits until that is lifted
    Column("created_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
)
Index("subscriptions_by_next_digest", SUBSCRIPTIONS.c.next_digest_at)
Index("subscriptions_by_confirmed", SUBSCRIPTIONS.c.confirmed_at)
Index("subscriptions_by_confirm_by", SUBSCRIPTIONS.c.confirm_by)

DISMISSALS = Table(
    "dismissals",
    METADATA,
    Column("organisation", Text, primary_key=True),
    Column("project", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("facts_hash", Text, nullable=False),  # the project's when it was dismissed
    Column("incarnation", BigInteger),  # and its sequence then; NULL: before that was kept
    Column("version", BigInteger),
    Column(
        "lifted", Boolean, nullable=False, server_default=false()
    ),  # the project has changed since, once and for good
    Column("dismissed_at", Text, nullable=False),
)
Index("dismissals_by_project", DISMISSALS.c.project)

DELIVERIES = Table(
    "deliveries",
    METADATA,
    Column(
        "id", Text, primary_key=True
    ),  # the event's id, and so the webhook-id, for ever (rules.identifiers)
    Column("organisation", Text, nullable=False, index=True),
    Column("channel", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("endpoint", Text, ForeignKey(ENDPOINTS.c.id)),
    Column("subscription", Text, ForeignKey(SUBSCRIPTIONS.c.id)),
    Column("contact_of", Text),  # the endpoint to whose contact a mail goes
    Column("period", Text),  # of a digest: when it was due and its id; one digest for each
    Column("body", LargeBinary),
    Column(
        "state", Text, nullable=False
    ),  # pending, sending, retrying, delivered, exhausted, cancelled, unconfirmed
    Column("attempts", Integer, nullable=False),
    Column(
        "earlier", Integer, nullable=False
    ),  # tries before somebody had it sent again: the schedule begins anew
    Column("due_at", Text, nullable=False),
    Column("place", Text, nullable=False),  # the order of sending: a keyed hash
    Column("claimed_until", Text),
    Column("created_at", Text, nullable=False),
    Column("ended_at", Text),
    UniqueConstraint("subscription", "period"),
)
Index("deliveries_by_due", DELIVERIES.c.state, DELIVERIES.c.due_at, DELIVERIES.c.place)
Index("deliveries_by_endpoint", DELIVERIES.c.endpoint, DELIVERIES.c.created_at, DELIVERIES.c.id)
Index("deliveries_by_end", DELIVERIES.c.ended_at)

ATTEMPTS = Table(
    "attempts",
    METADATA,
    Column("delivery", Text, ForeignKey(DELIVERIES.c.id), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("endpoint", Text),  # that was tried; NULL: a mail, or before that was kept
    Column("started_at", Text, nullable=False),
    Column("handed_over_at", Text),  # e-mail: from here on it may have been taken
    Column("ended_at", Text),
    Column("outcome", Text),  # delivered, failed, interrupted; NULL while under way
    Column(
        "error", Text
    ),  # dns, connect, tls, timeout, http, forbidden_target, too_large, reset, smtp, unsigned, unwritable, internal
    Column("status", Integer),
    Column("milliseconds", Float),
    Column("response", LargeBinary),  # its first 4 kB
)

NOTICES = Table(
    "notices",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("subscription", Text, ForeignKey(SUBSCRIPTIONS.c.id), nullable=False),
    Column("organisation", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("cause", Text, nullable=False),  # what it tells of, such as facts:0.7; told once
    Column("type", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column(
        "fits", Boolean
    ),  # whether by this word the project is open, asked for and in a band that is; NULL: it says nothing of that
    Column("list_version", BigInteger),
    Column("state", Text, nullable=False),  # waiting (for reasons), ready, sent, dropped
    Column("place", Text, nullable=False),
    Column("data", LargeBinary),  # reasons and standing as JSON, once they are known
    Column("delivery", Text, ForeignKey(DELIVERIES.c.id)),  # NULL again once the log has let go of it
    Column(
        "unsure", Boolean, nullable=False, server_default=false()
    ),  # the log has let go of its message, which may not have arrived
    Column("made_at", Text, nullable=False),
    Column("deadline", Text),  # what `data` names, empty if none; NULL: no data yet, or before that was kept
    Column("facts", Text),  # the project's facts_hash that `data` was made of; NULL: as above
    Column("band", Text),  # that `data` names; NULL: none, or no data yet
    Column("position", BigInteger),  # in the order in which notices can be read; NULL while they cannot
    UniqueConstraint("subscription", "project", "cause"),
)
Index("notices_by_state", NOTICES.c.state, NOTICES.c.project, NOTICES.c.cause)
Index("notices_by_subscription", NOTICES.c.subscription, NOTICES.c.id)
Index("notices_by_project", NOTICES.c.project, NOTICES.c.made_at)
Index("notices_by_organisation", NOTICES.c.organisation, NOTICES.c.position)
Index("notices_by_delivery", NOTICES.c.delivery)
Index("notices_by_making", NOTICES.c.made_at)

NOTICE_HEAD = Table(
    "notice_head",
    METADATA,
    Column("id", Integer, primary_key=True),  # one row: who makes notices readable holds it until they are
    Column("position", BigInteger, nullable=False),  # the newest that was given
)

QUESTIONS = Table(
    "questions",
    METADATA,
    Column("address_hash", Text, primary_key=True),  # keyed, as below
    Column("asked_since", Text, nullable=False),  # a day after this they are counted anew
    Column("times", Integer, nullable=False),
)
Index("questions_by_since", QUESTIONS.c.asked_since)

SUPPRESSIONS = Table(
    "suppressions",
    METADATA,
    Column("address_hash", Text, primary_key=True),  # keyed: the list tells nobody's address
    Column("reason", Text, nullable=False),
    Column("suppressed_at", Text, nullable=False),
)
