"""`comity settings`: the settings of this environment, and the commented default file.

What: prints. Why: what can be set is found out by a command, not by reading code. It must not show a secret.
"""

import json

import typer

app = typer.Typer(help="Show what can be set, and what is.", no_args_is_help=True)


@app.command("default")
def default() -> None:
    """Print the commented settings file with every default."""
    from services.console.effective import default_file

    typer.echo(default_file(), nl=False)


@app.command("show")
def show() -> None:
    """Print the settings that a process started here would take, as JSON, secrets hidden; on stderr the file they are from."""
    from services.chassis.settings import load_settings
    from services.console.effective import describe, source

    typer.echo(source(), err=True)
    typer.echo(json.dumps(describe(load_settings()), indent=2))
