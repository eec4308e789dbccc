"""How an explanation is told: in which language, with the passages of both texts or not, and whether with what is missing. It decides no point."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """`language` is one of the catalogue's; `passages`: each part of a text names the sentences it stands in.

    `gaps`: what the profile lacks is told too, which takes a rescoring for each word.
    """

    language: str
    passages: bool = False
    gaps: bool = False
