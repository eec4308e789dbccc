"""How an explanation is told: in which language, and whether with the passages of both texts. It decides no point."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """`language` is one of the catalogue's; `passages`: each part of a text names the sentences it stands in."""

    language: str
    passages: bool = False
