"""The data dictionary: every column of every export, its type and its meaning. Data, not prose: it is served and exported.

*Why one place.* A file, its definitions sheet and `/v1/exports/dictionary` must not differ in a column. *Never:* drop or
rename a column; who refreshes a report by name would find it broken. New ones go before the last four.
"""

from dataclasses import dataclass
from types import MappingProxyType

from matching.lists import COMPONENTS
from schemas.http.exports import Kind
from schemas.http.suggestion import SUGGESTION


@dataclass(frozen=True, slots=True)
class Column:
    """One column. A list is an array in JSON Lines, and joined by "; " elsewhere."""

    name: str
    kind: Kind
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One export: what a row is, and its columns in order."""

    name: str
    row: str
    columns: tuple[Column, ...]


_FRAME = (
    Column("epoch", "text", "Hash of the epoch (word statistics, weights, policy) in force."),
    Column("reference_date", "date", "The day at which dated facts are resolved."),
    Column("data_as_of", "moment", "The last change that is in these data (UTC)."),
)
_PROJECTS = Dataset(
    name="projects",
    row="An open project, as everybody may read it.",
    columns=(
        Column("id", "text", "The project's id (UUID)."),
        Column("title", "text", "Its title, in the language listed first."),
        Column("title_language", "text", "The language of the title (BCP 47)."),
        Column("level", "text", "global, regional or national."),
        Column("flagship", "text", "Id of the flagship initiative that it belongs to."),
        Column("regions", "list", "ITU regions that it lies in, those of its countries included."),
        Column("countries", "list", "Countries (ISO 3166 alpha-3)."),
        Column("need_kinds", "list", "Kinds of what it needs."),
        Column("deadline", "date", "Until when partners can come forward."),
        Column("owner", "text", "Id of the organisation that answers for it."),
        Column("published_at", "moment", "When it was first published (UTC)."),
        Column("fictional", "boolean", "Made up for demonstration."),
        *_FRAME,
    ),
)
_ORGANISATIONS = Dataset(
    name="organisations",
    row="An organisation that is registered and has not withdrawn, as everybody may see it.",
    columns=(
        Column("id", "text", "The organisation's id (UUID)."),
        Column("legal_name", "text", "Its legal name."),
        Column("category", "text", "Category of membership, or prospect."),
        Column("hq_country", "text", "Country of its headquarters (ISO 3166 alpha-3)."),
        Column("hq_region", "text", "ITU region of that country."),
        Column("fictional", "boolean", "Made up for demonstration."),
        *_FRAME,
    ),
)
_CANDIDATES = Dataset(
    name="candidates",
    row="An eligible candidate on a project's list, in rank order.",
    columns=(
        Column("project", "text", "The project's id (UUID)."),
        Column("list_version", "integer", "The newest version of the list."),
        Column("rank", "integer", "The rank in the whole list, from 1."),
        Column("organisation", "text", "The organisation's id (UUID)."),
        Column("name", "text", "Its legal name; empty once its record was erased."),
        Column("category", "text", "Category of membership, or prospect."),
        Column("hq_country", "text", "Country of its headquarters (ISO 3166 alpha-3)."),
        Column("fit", "integer", "Points in per mille of the project's total budget, rounded down."),
        Column("band", "text", "strong, good, possible or weak, by the fit."),
        Column("above_floor", "boolean", "Whether it reaches the published floor."),
        Column(
            "confidence",
            "integer",
            "Completeness of the profile in per mille; beside the score, never in it. Empty in a closed list.",
        ),
        Column("points", "integer", "The exact points: the sum of the components."),
        *(Column(f"points_{name}", "integer", f"Points of the component {name}.") for name in COMPONENTS),
        Column("labels", "list", "local, newcomer and the like."),
        Column("steps", "list", "Placement steps that moved the row, or why it was left where it is."),
        Column("changed_since", "boolean", "The list has changed since its newest version was made."),
        Column("statement", "text", SUGGESTION),
        *_FRAME,
    ),
)
_EXPOSURE = Dataset(
    name="exposure",
    row="A group of at least five organisations, as the exposure report shows it to everybody.",
    columns=(
        Column(
            "grouping",
            "text",
            "category, region, sme, ldc or newcomer; every organisation is in one group of each.",
        ),
        Column("codes", "list", "The codes of the group; several where small groups were put together."),
        Column("organisations", "integer", "Active organisations."),
        Column("fitting", "integer", "Of these, above the floor of an open project."),
        Column(
            "shown", "integer", "Of these, among the first rows or in the lane of an open project's list."
        ),
        Column("shown_first", "integer", "Of these, among the first rows."),
        Column("places", "integer", "Places that they have in the heads of lists."),
        Column("places_share", "integer", "Per mille of all such places, rounded down."),
        Column("given_share", "integer", "Per mille of all attention that lists give, rounded down."),
        Column("deserved_share", "integer", "Per mille of all attention that points deserve, rounded down."),
        *_FRAME,
    ),
)
DATASETS = MappingProxyType({one.name: one for one in (_PROJECTS, _ORGANISATIONS, _CANDIDATES, _EXPOSURE)})
"""Dataset by name."""


def dictionary_json() -> dict[str, object]:
    """Return the dictionary as it is served."""
    return {
        "datasets": [
            {
                "name": dataset.name,
                "row": dataset.row,
                "columns": [
                    {"name": column.name, "type": column.kind, "meaning": column.meaning}
                    for column in dataset.columns
                ],
            }
            for dataset in DATASETS.values()
        ]
    }
