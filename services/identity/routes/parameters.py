"""What the routes of this service take from the address."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query

ClientId = Annotated[UUID, Path(description="The API client's id, a UUID; ours or its maker's.")]
SecretId = Annotated[UUID, Path(description="The secret's id, as the client names it.")]
PersonId = Annotated[UUID, Path(description="The person's id, a UUID that its maker chose.")]
Belonging = Annotated[UUID | None, Query(description="Only those of this organisation.")]
"""Whose people or clients are wanted; declare it as `organisation: Belonging = None`."""
