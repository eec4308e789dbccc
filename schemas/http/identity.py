"""Bodies of `identity`: people, API clients, their secrets, and tokens.

*What.* What an administrator writes and what is answered. *Never:* a secret in any answer but the one that made it.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StrictStr

from schemas.http.parts import EmailAddress
from schemas.http.texts import Name, Shape, formed, refuse

Role = Literal[
    "organisation_reader",
    "organisation_editor",
    "organisation_admin",
    "project_manager",
    "office_officer",
    "bdt_analyst",
    "bdt_editor",
    "bdt_admin",
    "auditor",
]
"""What somebody may be; `public` is everybody and is not given."""


def _distinct(roles: tuple[Role, ...]) -> tuple[Role, ...]:
    if len(set(roles)) != len(roles):
        raise refuse("distinct", "A role is named twice.", "Name each role once.")
    return roles


Roles = Annotated[
    tuple[Role, ...],
    Field(
        min_length=1, max_length=9, json_schema_extra={"uniqueItems": True}, examples=[["project_manager"]]
    ),
    AfterValidator(_distinct),
]
OfficeCode = Annotated[
    StrictStr,
    Field(min_length=2, max_length=60, examples=["addis_ababa"]),
    *formed(
        r"^[a-z][a-z_]*$",
        "This is no code of an office.",
        "Use small letters and low lines; begin with a letter.",
    ),
]


class ClientBody(Shape):
    """An API client: a program that acts under its own name, or for a person."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Project office", "roles": ["office_officer"], "office": "addis_ababa"}]
        }
    )

    name: Name
    roles: Roles
    organisation: UUID | None = Field(None, description="Whose roles organisation_… these are.")
    office: OfficeCode | None = Field(None, description="Of which office office_officer is meant.")
    person: UUID | None = Field(
        None,
        description="The person it acts for: tokens then name the person, with the roles that both have.",
    )


class PersonBody(Shape):
    """A person. Name and address are kept here only, and never sent to any other service."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "Amina Diallo", "email": "amina.diallo@example.org", "roles": ["project_manager"]}
            ]
        }
    )

    name: Name
    email: EmailAddress
    roles: Roles
    organisation: UUID | None = None
    office: OfficeCode | None = None


class SecretAnswer(Shape):
    """A secret's public part."""

    id: UUID
    created_at: str


class ClientAnswer(Shape):
    """An API client as it stands."""

    id: UUID
    revision: int
    state: Literal["active", "revoked"]
    name: str
    roles: tuple[Role, ...]
    organisation: UUID | None
    office: str | None
    person: UUID | None
    secrets: tuple[SecretAnswer, ...]
    created_at: str
    changed_at: str


class ClientCreated(ClientAnswer):
    """A new API client, with its secret: it is shown now and never again."""

    secret: str | None = Field(description="null where the answer is given again for an Idempotency-Key")


class SecretCreated(SecretAnswer):
    """A new secret: it is shown now and never again."""

    secret: str | None = Field(description="null where the answer is given again for an Idempotency-Key")


class PersonAnswer(Shape):
    """A person as it stands; name and address are null for readers who need them for nothing, and once removed."""

    id: UUID
    revision: int
    state: Literal["active", "removed"]
    name: str | None
    email: str | None
    roles: tuple[Role, ...]
    organisation: UUID | None
    office: str | None
    created_at: str
    changed_at: str


class ClientPage(Shape):
    """A page of API clients."""

    items: tuple[ClientAnswer, ...]
    next: str | None


class PersonPage(Shape):
    """A page of people."""

    items: tuple[PersonAnswer, ...]
    next: str | None


class TokenAnswer(Shape):
    """An access token (RFC 6749 §5.1)."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int


class KeySet(Shape):
    """The public keys that verify tokens (RFC 7517), and which of the tokens are revoked."""

    keys: tuple[dict[str, str], ...]
    revoked: dict[str, int] = Field(
        description="By client id, for as long as such tokens live: refuse a token of this `client_id` whose "
        "`client_revision` is lower."
    )
