"""If-Match and If-None-Match on writes: nobody overwrites what they have not seen (RFC 9110 §13)."""

import re
from dataclasses import dataclass
from typing import Self

from starlette.requests import Request

from services.chassis.web.problems import InvalidParameter, PreconditionRequired, StaleRevision
from services.chassis.web.reading import etag_of

_TAGS = re.compile(
    r'\s*(?:\*|(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"(?:\s*,\s*(?:W/)?"[\x21\x23-\x7e\x80-\xff]*")*)\s*'
)


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions that a write came with."""

    if_match: str | None
    if_none_match: str | None

    @classmethod
    def read(cls, request: Request) -> Self:
        """Read the headers. Raises InvalidParameter if one is no list of entity tags."""
        values = []
        for name in ("If-Match", "If-None-Match"):
            value = request.headers.get(name)
            if value is not None and not _TAGS.fullmatch(value):
                raise InvalidParameter(
                    f'{name} must be an ETag as we sent it, with its quotation marks, such as "7".',
                    errors=[
                        {
                            "header": name,
                            "rule": "entity-tag",
                            "detail": "It is no entity tag.",
                            "fix": 'Send the ETag as it is: "7".',
                        }
                    ],
                )
            values.append(value)
        return cls(*values)

    def check(self, current_revision: int | None) -> None:
        """Raise PreconditionRequired or StaleRevision unless the write may go on; None: it does not exist yet."""
        if current_revision is None:
            if self.if_match is not None:
                raise StaleRevision("It does not exist, so it has no revision that If-Match could name.")
            return
        tag = etag_of(current_revision)
        if self.if_none_match is not None and (
            self.if_none_match.strip() == "*" or tag in _tags(self.if_none_match)
        ):
            raise StaleRevision("It exists already.", headers={"ETag": tag})
        if self.if_match is None:
            raise PreconditionRequired(headers={"ETag": tag})
        if self.if_match.strip() != "*" and tag not in _tags(self.if_match):
            raise StaleRevision(headers={"ETag": tag})


def _tags(value: str) -> list[str]:
    return [part.strip() for part in value.split(",")]
