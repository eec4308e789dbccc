"""What `/v1/subscriptions`, `/v1/dismissals` and `/v1/notices` take: who wants to hear of what, and how.

*What.* A subscription's conditions, channel, language and hours. *Why opt-in is a field.* A subscription that was only
saved sends nothing; hearing is a decision of its own. *Never:* a place in a list; who is told depends on the floor.
"""

from email.errors import HeaderParseError
from email.headerregistry import Address
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr, model_validator

from schemas.events.parts import NeedKind
from schemas.http.parts import WHOLE, CountryCode, EmailAddress, RegionCode, Tag
from schemas.http.texts import Shape, formed, refuse

Band = Literal["weak", "possible", "good", "strong"]
Channel = Literal["webhook", "email", "feed"]
MailLanguage = Literal["ar", "zh", "en", "fr", "ru", "es"]
Cadence = Literal["instant", "daily", "weekly", "monthly"]
SubscriptionState = Literal["saved", "unconfirmed", "active", "paused", "ended"]
ClockTime = Annotated[
    StrictStr,
    Field(examples=["21:00"]),
    *formed(r"^([01][0-9]|2[0-3]):[0-5][0-9]$", "This is no time of day.", "Write HH:MM, such as 21:00."),
]


def _mail_to(value: str) -> str:
    if not value.isascii():
        raise refuse(
            "email-ascii",
            "Mail from here reaches only addresses of ASCII letters, digits and signs.",
            "Write an address without other letters before the @, such as office@example.org.",
        )
    try:
        Address(addr_spec=value)  # the parser that writes it into a mail
    except (ValueError, HeaderParseError):
        raise refuse(
            "email", "This is no e-mail address.", "Write one address such as office@example.org."
        ) from None
    return value


MailTo = Annotated[EmailAddress, AfterValidator(_mail_to)]
"""An address that a mail can be written to."""

ZONES = frozenset(available_timezones())


def _zone(value: str) -> str:
    if value not in ZONES:
        raise refuse("time-zone", f"{value[:60]!r} is no time zone.", "Use a name such as Africa/Nairobi.")
    return value


TimeZone = Annotated[
    StrictStr, Field(min_length=1, max_length=60, examples=["Africa/Nairobi"]), AfterValidator(_zone)
]


class QuietHours(Shape):
    """Local hours in which nothing is sent; what comes up meanwhile is held, and sent together afterwards."""

    start: ClockTime = Field(alias="from")
    end: ClockTime = Field(alias="until")

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @model_validator(mode="after")
    def _some_hours(self) -> "QuietHours":
        if self.start == self.end:
            raise refuse(
                "quiet-hours",
                "Hours that end when they begin are none.",
                "Write another end, or leave them out. To hear nothing for a while, set paused.",
                field="until",
            )
        return self


class Conditions(Shape):
    """What a project must be like: all that is given must hold, and within one any value will do."""

    themes: Annotated[tuple[Tag, ...], Field(max_length=50)] = ()
    countries: Annotated[tuple[CountryCode, ...], Field(max_length=250)] = ()
    regions: Annotated[tuple[RegionCode, ...], Field(max_length=10)] = ()
    levels: Annotated[tuple[Literal["global", "regional", "national"], ...], Field(max_length=3)] = ()
    flagships: Annotated[tuple[UUID, ...], Field(max_length=50)] = ()
    need_kinds: Annotated[tuple[NeedKind, ...], Field(max_length=12)] = ()
    ldc_only: StrictBool = False
    minimum_band: Band | None = Field(
        None, description="Nothing below this band; without it all above the floor."
    )
    minimum_confidence: Annotated[StrictInt, Field(ge=0, le=1000), WHOLE] | None = Field(
        None,
        description="In per mille; looked at when a first word of a project is made. Who was told of it hears on of it.",
    )


class SubscriptionBody(Shape):
    """What to hear of, and how. Without `opt_in` it is saved and sends nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{
        "channel": "feed", "opt_in": True, "language": "en",
        "conditions": {"countries": ["KEN"], "need_kinds": ["connectivity"]},
    }]})  # fmt: skip

    organisation: UUID | None = Field(None, description="Whose; without it, that of the token.")
    channel: Channel
    opt_in: StrictBool = Field(False, description="Whether to send at all.")  # noqa: FBT003 - pydantic's default
    paused: StrictBool = Field(False, description="Send nothing for now; what waits is kept.")  # noqa: FBT003
    endpoint: UUID | None = Field(None, description="Where webhooks go; needed for that channel.")
    email: MailTo | None = Field(None, description="Where mails go; needed for that channel.")
    language: MailLanguage = "en"
    cadence: Cadence | None = Field(
        None,
        description="Of mails, without it weekly; of webhooks, without it at once: each waits for the hour at which a mail would "
        "gather it. The feed is told at once: it takes `instant` or none.",
    )
    weekly_cap: Annotated[StrictInt, Field(ge=1, le=100), WHOLE] | None = Field(
        None,
        description="So many mails in any seven days at most; what is above comes together in the next one. "
        "Without it `notifications.weekly_cap` of the settings. Other channels have none.",
    )
    conditions: Conditions = Conditions()
    quiet_hours: QuietHours | None = Field(
        None,
        description="When no mail and no webhook may leave. The feed has none, for nothing of it is sent.",
    )
    time_zone: TimeZone = "UTC"

    @model_validator(mode="after")
    def _fits_channel(self) -> "SubscriptionBody":
        if (self.endpoint is not None) != (self.channel == "webhook"):
            raise refuse(
                "channel-target",
                "A webhook needs an endpoint, and only a webhook has one.",
                "Set both or neither.",
                field="endpoint",
            )
        if (self.email is not None) != (self.channel == "email"):
            raise refuse(
                "channel-target",
                "E-mail needs an address, and only e-mail has one.",
                "Set both or neither.",
                field="email",
            )
        if self.channel == "feed" and self.cadence not in {None, "instant"}:
            raise refuse(
                "channel-cadence",
                "The feed is read at its reader's own pace, so nothing is held for it.",
                "Leave cadence out.",
                field="cadence",
            )
        if self.channel == "feed" and self.quiet_hours is not None:
            raise refuse(
                "channel-quiet-hours",
                "The feed is read at its reader's own pace, so nothing of it is sent at any hour.",
                "Leave quiet_hours out.",
                field="quiet_hours",
            )
        if self.channel != "email" and self.weekly_cap is not None:
            raise refuse(
                "channel-cap",
                "Only mails have a cap, for only they are gathered.",
                "Leave weekly_cap out.",
                field="weekly_cap",
            )
        return self


class SubscriptionAnswer(Shape):
    """A subscription as it stands; `email` is null for readers who need no address."""

    id: UUID
    organisation: UUID
    revision: int
    state: SubscriptionState
    channel: Channel
    endpoint: UUID | None
    email: str | None
    language: MailLanguage
    cadence: Cadence
    weekly_cap: int | None = Field(description="Of mails in any seven days; null for the other channels.")
    conditions: Conditions
    quiet_hours: QuietHours | None
    time_zone: str
    opted_in_at: str | None
    confirmed_at: str | None
    confirm_by: str | None = Field(
        description="Its address was asked whether mails are still wanted; without an answer by then it is paused."
    )
    lapsed_at: str | None = Field(
        description="When it was paused because nobody answered, or nobody was at the address; the link of that mail, or "
        "saving it anew, has it again."
    )
    refused_at: str | None = Field(
        description="When a mail could not leave as nobody is at its address, by its server's word: news waits until BDT's "
        "administrator lifts that, or the address is another."
    )
    next_digest_at: str | None
    created_at: str
    changed_at: str


class SubscriptionPage(Shape):
    """A page of subscriptions."""

    items: tuple[SubscriptionAnswer, ...]
    next: str | None


class PreviewBody(Shape):
    """Conditions to try out before saving them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"conditions": {"countries": ["KEN"], "need_kinds": ["connectivity"]}}]
        }
    )

    organisation: UUID | None = None
    conditions: Conditions = Conditions()


class Excluding(Shape):
    """What one condition costs: how many projects fail it, and how many more would match without it."""

    condition: str
    excluded: int
    would_match_without: int


class PreviewAnswer(Shape):
    """How much would have come in the last 30 days, and which condition excludes most."""

    days: int
    considered: int
    matching: int
    excludes_most: str | None
    excluding: tuple[Excluding, ...]


class LiftBody(Shape):
    """An address that mails may go to again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "office@example.org"}]})

    email: EmailAddress


DismissalReason = Literal[
    "not_our_field", "wrong_country", "too_small_or_large", "timing", "conflict", "other"
]


class DismissalBody(Shape):
    """Why a project is not for us; it stays silent until its needs or countries change."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "wrong_country"}]})

    organisation: UUID | None = None
    reason: DismissalReason


class DismissalAnswer(Shape):
    """A dismissed project; `lifted` says that the project has changed since, so that it is told of again."""

    organisation: UUID
    project: UUID
    revision: int
    reason: DismissalReason | None
    """Null to whoever is neither the organisation's own nor the auditor: others see counts."""
    dismissed_at: str
    lifted: bool


class DismissalPage(Shape):
    """An organisation's dismissed projects."""

    items: tuple[DismissalAnswer, ...]
    next: str | None


class DismissalCount(Shape):
    """How many organisations dismissed a project for one reason; null for fewer than five, none included."""

    reason: DismissalReason
    organisations: int | None


class DismissalCounts(Shape):
    """Why a project is dismissed, in cells of five: no cell tells of somebody."""

    project: UUID
    counts: tuple[DismissalCount, ...]


class Notice(Shape):
    """One piece of news: what, about which project, and why you were told."""

    id: UUID
    subscription: UUID
    project: UUID
    type: str
    rule: str
    list_version: int | None
    state: Literal["waiting", "ready", "sent", "dropped"]
    made_at: str
    data: dict[str, object] | None = Field(
        description="What a webhook says; for others than the organisation how long that is."
    )


class NoticePage(Shape):
    """A page of notices, in the order in which they could be read: the pull form of what webhooks push."""

    items: tuple[Notice, ...]
    next: str | None
    behind: str
    """The cursor behind these notices, on the last page too: come back with it for what is new."""


LinkAction = Literal["confirm", "unsubscribe", "refuse"]


class LinkAnswer(Shape):
    """What following a link of a mail has done, or would do if it were sent as POST: to a subscription, or an endpoint's contact.

    `state` is how that stands for the address that the link was sent to: ended also when another one has taken its place.
    """

    subscription: UUID | None
    endpoint: UUID | None
    action: LinkAction
    done: bool
    state: SubscriptionState
    sentence: str
