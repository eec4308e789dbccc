"""Cursors: only ours, only for the list, filters and caller that they were issued for; pages to the end."""

from typing import Any

import pytest

from services.chassis.identity.principal import Principal
from services.chassis.web.cursors import Cursors
from services.chassis.web.problems import InvalidCursor

ME = Principal("me", frozenset({"public", "bdt_editor"}))
CURSORS = Cursors(b"k" * 32)


def test_what_was_sealed_comes_back() -> None:
    payload = {"points": 12, "id": "ä", "ids": [1, 2]}
    assert CURSORS.unseal("list 1", CURSORS.seal("list 1", payload, ME), ME) == payload


@pytest.mark.parametrize(
    ("kind", "who", "cursors"),
    [
        ("list 2", ME, CURSORS),
        ("list 1", Principal("you", ME.roles), CURSORS),
        ("list 1", Principal("me", frozenset({"public"})), CURSORS),
        ("list 1", Principal("me", ME.roles, "org"), CURSORS),
        ("list 1", ME, Cursors(b"x" * 32)),
    ],
)
def test_another_list_caller_or_system_is_refused(kind: str, who: Principal, cursors: Cursors) -> None:
    with pytest.raises(InvalidCursor):
        cursors.unseal(kind, CURSORS.seal("list 1", [1], ME), who)


def test_any_changed_character_is_refused() -> None:
    cursor = CURSORS.seal("list 1", {"points": 12}, ME)
    for place in range(len(cursor)):
        changed = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        with pytest.raises(InvalidCursor):
            CURSORS.unseal("list 1", changed, ME)
    for other in ("", "=", cursor + "=", cursor + "A", cursor[:-1], "é", "a" * 3999):
        with pytest.raises(InvalidCursor):
            CURSORS.unseal("list 1", other, ME)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 200])
async def test_pages_reach_the_end_whatever_their_size(bench: Any, size: int) -> None:
    who = bench.bearer()
    for number in range(7):
        await bench.client.put(f"/v1/notes/n{number}", json={"title": "x"}, headers=who)
    seen: list[str] = []
    url: str | None = f"/v1/notes?limit={size}"
    while url:
        answer = await bench.client.get(url, headers=who)
        seen += [item["id"] for item in answer.json()["items"]]
        assert answer.links["first"]["url"] == f"/v1/notes?limit={size}"
        url = answer.links.get("next", {}).get("url")
        assert (answer.json()["next"] is None) == (url is None)
    assert seen == [f"n{number}" for number in range(7)]
