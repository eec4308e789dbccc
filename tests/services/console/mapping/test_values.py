"""The steps of a map that turn a value: what they take, and that they guess nothing."""

from typing import Any

import pytest

from services.chassis.reference import load_reference
from services.console.mapping.language import Rule
from services.console.mapping.values import Codes, ValueFault, value_of

CODES = Codes(load_reference(), "x")


def turned(value: Any, turn: str) -> Any:
    rule = Rule.model_validate({"from": "n", "as": turn})
    return value_of([rule], {"n": value}, CODES)[0]


@pytest.mark.parametrize(("value", "whole"), [(7, 7), (7.0, 7), ("7", 7), (" -12 ", -12), ("007", 7)])
def test_a_whole_number_is_taken(value: Any, whole: int) -> None:
    assert turned(value, "integer") == whole


@pytest.mark.parametrize("value", [3.7, True, "1_000", "1,000", "٣", "1e3", "12.0", float("inf")])
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(ValueFault, match="is no whole number"):
        turned(value, "integer")


@pytest.mark.parametrize("value", [2019, 2019.0, "2019", "2019-05-12", "2019/05", "20190512", 20190512])
def test_the_year_of_a_date_is_taken(value: Any) -> None:
    assert turned(value, "year") == 2019


@pytest.mark.parametrize("value", ["2019abc", 2019.9, "05/2019", "20195", True])
def test_what_does_not_begin_with_a_year_is_refused(value: Any) -> None:
    with pytest.raises(ValueFault):
        turned(value, "year")


@pytest.mark.parametrize(("value", "code"), [("EL", "GRC"), ("Tanzania", "TZA"), (" Korea, Rep. of ", "KOR")])
def test_a_country_is_taken_by_a_name_in_use(value: str, code: str) -> None:
    assert turned(value, "country") == code


@pytest.mark.parametrize("value", ["Korea", "Atlantis"])
def test_a_name_of_two_countries_or_none_is_refused(value: str) -> None:
    with pytest.raises(ValueFault, match="is no country or code of one"):
        turned(value, "country")
