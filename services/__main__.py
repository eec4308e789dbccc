"""The `comity` command: run, set up, look after and ask a Comity.

What: mounts the verbs of `services.console` as one command line. Why: one image, one command, roles by name. It must not
hold logic of its own, and must not import a service before a verb needs it.
"""

from importlib.metadata import version
from typing import Annotated

import typer

from services.console import (
    backup,
    dead_letters,
    demo,
    doctor,
    epoch,
    evaluate,
    importing,
    lexicon,
    migrate,
    rank,
    rebuild,
    recompute,
    replay,
    republish,
    restore,
    roles,
    run,
    schemas,
    settings,
    topics,
    why,
)
from services.console.exits import InSentences

app = typer.Typer(
    name="comity",
    help="Matches telecom/ICT development projects with the organisations that could help to carry them out.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 1 failed, 2 wrong command line, 3 not reachable, 4 refused, 5 a file or some of its rows not taken.",
)
app.command("run")(run.run)
app.command("demo")(demo.demo)
app.command("migrate")(migrate.migrate)
app.command("roles")(roles.roles)
app.command("topics")(topics.topics)
app.command("schemas")(schemas.schemas)
app.command("doctor")(doctor.doctor)
app.command("replay")(replay.replay)
app.command("rebuild")(rebuild.rebuild)
app.command("republish")(republish.republish)
app.command("backup")(backup.backup)
app.command("restore")(restore.restore)
app.command("rank")(rank.rank)
app.command("why")(why.why)
app.command("recompute")(recompute.recompute)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(importing.app, name="import")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(epoch.app, name="epoch")
app.add_typer(lexicon.app, name="lexicon")
app.add_typer(settings.app, name="settings")


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(version("comity"))
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and stop."),
    ] = False,
) -> None:
    """Take the options that stand before the verb."""


def main() -> None:
    """Run the command line; what can be expected to fail ends it with one sentence and its exit code."""
    with InSentences():
        app()


if __name__ == "__main__":
    main()
