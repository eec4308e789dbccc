"""`comity schemas`: the contracts as documents: OpenAPI of everything served, AsyncAPI of everything logged.

What: prints one document. Why: clients and reviewers read contracts without a running system. It must not describe
anything that is not served.
"""

import json
from enum import StrEnum
from typing import Annotated

import typer


class Which(StrEnum):
    """The documents there are."""

    OPENAPI = "openapi"
    ASYNCAPI = "asyncapi"


def schemas(which: Annotated[Which, typer.Argument(help="Which document.")] = Which.OPENAPI) -> None:
    """Print the OpenAPI 3.1 or the AsyncAPI 3 document."""
    if which is Which.ASYNCAPI:
        from schemas.asyncapi import document

        typer.echo(json.dumps(document(), indent=2, ensure_ascii=False))
        return
    from services.catalogue import SERVICES
    from services.chassis.settings import load_settings
    from services.chassis.web.application import merged_openapi

    typer.echo(
        json.dumps(merged_openapi(tuple(SERVICES.values()), load_settings()), indent=2, ensure_ascii=False)
    )
