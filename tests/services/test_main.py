"""The command line as a whole: what stands before the verbs."""

from importlib.metadata import version

from typer.testing import CliRunner

from services.__main__ import app
from services.catalogue import SERVICES
from services.chassis.settings import load_settings
from services.chassis.web.application import merged_openapi


def test_the_version_is_told_without_a_verb_and_is_the_one_that_the_api_names() -> None:
    told = CliRunner().invoke(app, ["--version"])
    assert (told.exit_code, told.stdout) == (0, f"{version('comity')}\n")
    document = merged_openapi(tuple(SERVICES.values()), load_settings())
    assert document["info"]["version"] == version("comity")
