"""How a ranked list looks in a terminal.

What: a table of candidates and the reasons of each in words. Why: `demo`, `rank` and `why` must show the same thing in
the same way. It must not compute anything: every figure is one that the API answered.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def show_list(console: Console, answer: Mapping[str, Any], candidates: Sequence[Mapping[str, Any]], title: str) -> None:
    """Print the head of a list: rank, organisation, fit, band, labels, and under each the reasons in words."""
    counts = answer["counts"]
    table = Table(title=title, title_justify="left", pad_edge=False, show_lines=False)
    table.add_column("rank", justify="right")
    table.add_column("organisation", max_width=58)
    table.add_column("fit ‰", justify="right")
    table.add_column("band")
    table.add_column("points", justify="right")
    table.add_column("reasons", ratio=1)
    for row in candidates:
        labels = ", ".join(row.get("labels", []))
        table.add_row(
            str(row["rank"]),
            row.get("name", row["organisation"]) + (f"\n[dim]{labels}[/dim]" if labels else ""),
            str(row["fit"]),
            row["band"],
            f"{row['points']:,}",
            "\n".join(row.get("reasons", [])[:4]),
        )
    console.print(table)
    console.print(
        f"{counts['candidates']} candidates, {counts['above_floor']} above the floor, "
        f"{counts['excluded']} left out by a hard rule (each listed with its reason). "
        f"List version {answer['list_version']}, epoch {str(answer['epoch'])[:12]}, "
        f"reference date {answer['reference_date']}."
    )
    console.print(f"[italic]{answer['statement']}[/italic]")


def show_candidate(console: Console, row: Mapping[str, Any]) -> None:
    """Print one candidate: its place, every part of its points, and what would move it."""
    console.print(
        f"[bold]{row.get('name', row['organisation'])}[/bold]: rank {row['rank']}, fit {row['fit']} ‰ ({row['band']}), "
        f"{row['points']:,} points"
    )
    table = Table(pad_edge=False)
    table.add_column("component")
    table.add_column("points", justify="right")
    table.add_column("‰", justify="right")
    table.add_column("why", ratio=1)
    for part in row["parts"]:
        table.add_row(part["component"], f"{part['points']:,}", str(part.get("per_mille", "")), part["sentence"])
    console.print(table)
    total = sum(part["points"] for part in row["parts"])
    console.print(f"Sum of the parts: {total:,} of {row['points']:,}.")
    if row.get("margin") is not None:
        console.print(f"Margin to the rank above: {row['margin']}.")
