import pytest

from services.console.parents import waves


@pytest.mark.parametrize(
    ("parents", "expected"),
    [
        ({}, []),
        ({"c": "b", "b": "a", "a": None, "d": None}, [["a", "d"], ["b"], ["c"]]),
        ({"b": "elsewhere"}, [["b"]]),
        ({"a": None, "b": "c", "c": "b", "d": "c"}, [["a"], ["b", "c", "d"]]),
        ({"a": "a"}, [["a"]]),
    ],
)
def test_a_parent_is_in_an_earlier_wave_and_a_circle_in_the_last(parents, expected) -> None:
    assert list(waves(list(parents), id_of=str, parent_of=parents.__getitem__)) == expected
