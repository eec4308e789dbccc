"""`comity replay` says when its range holds nothing, before it asks anybody."""

from typer.testing import CliRunner

from services.__main__ import app


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    for begin, end in ((100, 50), (7, 7)):
        line = ["replay", "matches", "members.v1", "--from", str(begin), "--to", str(end)]
        refused = CliRunner().invoke(app, line)
        assert refused.exit_code == 2
        assert f"--to {end} is not above --from {begin}" in refused.output
