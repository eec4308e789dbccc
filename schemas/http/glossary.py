"""What every member of a body means, and what stands under every tag: one table for the HTTP interface, in `glossary.toml`.

*What.* A sentence by the member's name, which holds wherever the name stands; where it means another thing in a model, that
model's own. A model whose field has a description keeps that. *Why one table.* One idea has one name everywhere, and so one
sentence. *Never:* say of a member what the code that fills it does not do; name a member or a tag that is not there.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_suffix(".toml")


class Glossary(NamedTuple):
    """Meanings of tags, of members by name, and of members of one model by both."""

    tags: Mapping[str, str]
    members: Mapping[str, str]
    particular: Mapping[tuple[str, str], str]

    def meaning_of(self, model: str, member: str) -> str | None:
        """Return what a member of a model means; None of one that is not here."""
        return self.particular.get((model, member)) or self.members.get(member)


@cache
def glossary() -> Glossary:
    """Return the table. A heading below `in` names one model, or several with commas between."""
    read = tomllib.loads(FILE.read_text("utf-8"))
    particular = {
        (model, member): meaning
        for models, meanings in read["in"].items()
        for model in models.split(", ")
        for member, meaning in meanings.items()
    }
    return Glossary(read["tags"], read["members"], particular)
