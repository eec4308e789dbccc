"""How a ranked list looks in a terminal.

What: the rows of a list with their reasons in words, and one candidate with every part of its points. Why: `demo`, `rank`
and `why` must show the same thing in the same way. It must not rank or score: every figure is one that the API answered.
"""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

WIDEST = 140
REASONS = 5
GAPS = 8
PASSAGES = 3

_CATEGORIES = {
    "member_state": "Member State",
    "sector_member": "Sector Member",
    "associate": "Associate",
    "academia": "Academia",
    "other_entity": "other entity",
    "prospect": "prospect",
}
_LABELS = {
    "sme": "SME",
    "ldc_entity": "least developed country",
    "developing_entity": "developing country",
    "non_member": "not an ITU member",
    "edited_after_publication": "edited after publication",
}
_FIELDS = {"mission": "description"}
_BANDS = {"strong": "bold green", "good": "green", "possible": "yellow", "weak": "dim"}


def console_for_people() -> Console:
    """Return a console as wide as the terminal, within reason; output into a file or pipe is 100 columns wide."""
    return Console(width=min(shutil.get_terminal_size((100, 24)).columns, WIDEST), highlight=False)


def title_of(answer: Mapping[str, Any]) -> str:
    """Return a project's title: in English where it has one, else in the language that stands first."""
    titles = {title["language"]: title["text"] for title in reversed(answer["titles"])}
    return str(titles.get("en") or next(iter(reversed(titles.values())), answer["project"]))


def show_list(
    console: Console,
    answer: Mapping[str, Any],
    *,
    heading: str,
    titles: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Print rows of a list: rank, organisation, fit, band; under each who it is, how its fit adds up, and the reasons.

    `titles`: show every part of the points too; the titles of each organisation's evidence items, by id.
    """
    rows: Sequence[Mapping[str, Any]] = answer["candidates"]
    told = {name: "1 to 4" if count is None else count for name, count in answer["counts"].items()}
    console.print(Text(f"{heading} “{title_of(answer)}”", "bold"))
    console.print(
        f"{told['candidates']} candidates, {told['above_floor']} above the floor, {told['excluded']} left out by "
        f"a hard rule; list version {answer['list_version']}, epoch {str(answer['epoch'])[:12]}, "
        f"reference date {answer['reference_date']}",
        style="dim",
    )
    for row in rows:
        console.print()
        show_row(console, row)
        if titles is not None:
            show_parts(console, row, titles.get(row["organisation"], {}))
    _show_lane(console, answer.get("also_fits"))
    console.print()
    if rows and all(row.get("fictional") for row in rows):
        console.print("Every organisation here is made up, for demonstration.", style="italic")
    console.print(
        "Fit is in per mille of the most that this project can give; no profile comes near it, so the band says where "
        "the fit lies among the pairs of a reference corpus. Whoever is below the floor is listed too, and marked.",
        style="dim",
    )
    console.print(answer["statement"], style="italic")


def _show_lane(console: Console, lane: Mapping[str, Any] | None) -> None:
    """Print who fits too and is rarely seen, a line each, with the rank in the list, and the rule."""
    if lane is None or not lane["candidates"]:
        return
    console.print(Text(f"\n{lane['label']}", "bold"))
    for row in lane["candidates"]:
        _item(console, f"rank {row['rank']}: {row.get('name') or row['organisation']}, fit {row['fit']} ‰")
    console.print(lane["rule"], style="dim")


def show_row(console: Console, row: Mapping[str, Any]) -> None:
    """Print one row with its reasons."""
    _show_head(console, row)
    steps = len(row.get("steps", ()))
    reasons = list(row.get("reasons", ()))
    placed, plain = reasons[len(reasons) - steps :], reasons[: len(reasons) - steps]
    shown = plain[:REASONS]
    if len(plain) > REASONS:
        shown.append(f"and {len(plain) - REASONS} more (`comity why` shows all of them).")
    for reason in (*shown, *placed):
        _item(console, reason)


def show_parts(console: Console, row: Mapping[str, Any], titles: Mapping[str, str]) -> None:
    """Print every part of a row's points, by component, with the words of both texts; `titles` names evidence items."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name, justify in (
        ("points", "right"),
        ("‰", "right"),
        ("the project", "left"),
        ("the organisation", "left"),
    ):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    table.add_column("where", overflow="fold", style="dim")
    grouped = groupby(row["parts"], key=lambda part: (part["component"], part.get("evidence", "")))
    for (component, evidence), parts in grouped:
        own = list(parts)
        name = f"evidence “{titles.get(evidence, evidence)}”" if evidence else component
        table.add_row(
            Text(f"{sum(part['points'] for part in own):,}", "bold"), "", Text(name, "bold"), "", ""
        )
        for part in own:
            table.add_row(f"{part['points']:,}", str(part["per_mille"]), *_words(part))
    total = sum(part["points"] for part in row["parts"])
    table.add_row(
        Text(f"{total:,}", "bold"), Text(str(row["fit"]), "bold"), Text("sum of the parts", "bold"), "", ""
    )
    console.print(Padding(table, (0, 0, 0, 4)))


def show_candidate(console: Console, answer: Mapping[str, Any], titles: Mapping[str, str]) -> None:
    """Print one candidate: its place or why it has none, every part of its points, and what would move it."""
    console.print(Text(f"On “{title_of(answer)}”", "bold"))
    console.print(
        f"list version {answer['list_version']}, epoch {str(answer['epoch'])[:12]}, "
        f"reference date {answer['reference_date']}",
        style="dim",
    )
    console.print()
    _show_head(console, answer)
    for reason in answer["reasons"]:
        _item(console, reason)
    for rule in answer["failed_rules"]:
        console.print(Text(f"\nLeft out by the rule {rule['code']}.", "bold red"))
        if rule.get("published_reason"):
            _item(console, f"The project's published reason: {rule['published_reason']}")
    margin = answer.get("margin")
    if margin:
        distance = f"at most {margin['fit']} ‰"
        if margin["points"] is not None:
            distance = f"{margin['points']:,} points ({margin['fit']} ‰)"
        console.print(f"\nMargin: {distance} to rank {margin['to_rank']}.")
    console.print(Text("\nEvery part of the points", "bold"))
    show_parts(console, answer, titles)
    _show_passages(console, answer["parts"])
    _show_gaps(console, answer["gaps"], total=answer["total_budget"])
    if answer["what_ifs"]:
        console.print(Text("\nWhat would give a better rank, proved by ranking anew", "bold"))
        for change in answer["what_ifs"]:
            _item(console, change["sentence"])
    console.print(f"\n{answer['statement']}", style="italic")


def _show_passages(console: Console, parts: Sequence[Mapping[str, Any]]) -> None:
    """Print where the dearest words stand in both texts."""
    told = [part for part in parts if part.get("asked_passage") and part.get("found_passage")]
    if told:
        console.print(Text("\nThe passages of the dearest words", "bold"))
    for part in sorted(told, key=lambda one: -one["points"])[:PASSAGES]:
        _item(console, f"{part['asked']} ↔ {part['found']}")
        console.print(Padding(f"project: {part['asked_passage']}", (0, 0, 0, 6)), style="dim", markup=False)
        console.print(
            Padding(f"organisation: {part['found_passage']}", (0, 0, 0, 6)), style="dim", markup=False
        )


def _show_gaps(console: Console, gaps: Sequence[Mapping[str, Any]], *, total: int) -> None:
    if not gaps:
        return
    told = "and what each would give" if gaps[0]["points"] is not None else "what gives most first"
    console.print(Text(f"\nWhat the project asks for and the profile lacks, {told}", "bold"))
    for gap in gaps[:GAPS]:
        most = "" if gap["points"] is None else f"{gap['points'] * 1000 // max(total, 1):>3} ‰  "
        _item(console, f"{most}{gap['sentence']}")
    if len(gaps) > GAPS:
        _item(console, f"and {len(gaps) - GAPS} more (--json lists all of them).")


def _show_head(console: Console, row: Mapping[str, Any]) -> None:
    """Rank, name, fit and band on one line; below it who it is, and the sum that makes the fit."""
    line = Table.grid(padding=(0, 2, 0, 0), expand=True)
    line.add_column(justify="right", width=3)
    line.add_column(ratio=1, overflow="fold")
    line.add_column(justify="right", no_wrap=True)
    line.add_column(width=8, no_wrap=True)
    rank = str(row["rank"]) if row["rank"] else "–"
    name = str(row.get("name") or row["organisation"])
    line.add_row(
        Text(rank, "bold"),
        Text(name, "bold"),
        f"fit {row['fit']} ‰",
        Text(row["band"], _BANDS.get(row["band"], "")),
    )
    console.print(line)
    console.print(Padding(Text(_who(row), "dim"), (0, 0, 0, 5)))
    console.print(Padding(Text(_sum_of(row), "dim"), (0, 0, 0, 5)))


def _who(row: Mapping[str, Any]) -> str:
    """Category, sector, country and labels; that it is fictional is in its name."""
    labels = [_LABELS.get(label, label) for label in row.get("labels", ()) if label != "fictional"]
    category = _CATEGORIES.get(row.get("category") or "", row.get("category"))
    known = [item for item in (category, row.get("sector"), row.get("hq_country")) if item]
    floor = [] if row["above_floor"] else ["below the floor"]
    profile = [] if row["confidence"] == 1000 else [f"profile {row['confidence'] // 10} % complete"]
    return " · ".join(dict.fromkeys([*known, *labels, *floor, *profile]))


def _sum_of(row: Mapping[str, Any]) -> str:
    """Write the components as the sum that they are."""
    shares = [f"{name} {share}" for name, share in row["shown"].items() if share]
    return f"{' + '.join(shares) or 'nothing'} = {row['fit']} ‰ = {row['points']:,} points"


def _words(part: Mapping[str, Any]) -> tuple[str, str, str]:
    """The words of both texts and where they were found; what is taken off or not counted has neither and says what it is."""
    if "term" not in part:
        return f"  {part['sentence']}", "", ""
    fields = ", ".join(_FIELDS.get(field, field) for field in part.get("fields", ()))
    where = f"{part['code']} in {fields}" if fields else part["code"]
    return f"  {part.get('asked', '')}", part.get("found", ""), where


def _item(console: Console, text: str) -> None:
    """Print a line of a list; its later lines stand under its first."""
    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_column(width=5, justify="right", style="dim")
    line.add_column(overflow="fold")
    line.add_row("–", Text(text))
    console.print(line)


def evidence_titles(organisation: Mapping[str, Any]) -> dict[str, str]:
    """Return the title of each evidence item of an organisation's record, by id."""
    return {item["id"]: _first_title(item["texts"]) for item in organisation.get("evidence", ())}


def _first_title(texts: Iterable[Mapping[str, Any]]) -> str:
    return next((text.get("title") or text["text"][:60] for text in texts), "")
