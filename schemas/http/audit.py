"""What `/v1/audit` answers: who did what, when, to which revision, and why.

*What.* A row for every command of a service. *Why.* The auditor reads what was decided. *Never:* a name; who acts is an id.
"""

from typing import Any

from pydantic import Field

from schemas.http.matches import Answered


class AuditRow(Answered):
    """One command. Nobody edits or deletes it."""

    position: int
    at: str
    principal: str = Field(description="The id of the client or person that acted, or `system`.")
    roles: tuple[str, ...] = Field(description="The roles that the caller had then.")
    action: str
    subject: str
    revision_before: int | None
    revision_after: int | None
    why: str | None
    details: dict[str, Any] | None
    request_id: str


class AuditPage(Answered):
    """One page of a service's audit trail, newest first."""

    items: tuple[AuditRow, ...]
    next: str | None
