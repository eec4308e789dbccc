"""The parts that bodies share."""

import pytest
from pydantic import TypeAdapter, ValidationError

from schemas.http.notifications import MailTo
from schemas.http.parts import EmailAddress


@pytest.mark.parametrize("address", ["info@xn--e1afmkfd.xn--p1ai", "info@example.XN--FIQS8S", "a@b.museum"])
def test_an_address_under_a_domain_in_other_letters_is_taken_in_its_ascii_form(address: str) -> None:
    for kind in (EmailAddress, MailTo):
        assert TypeAdapter(kind).validate_python(address) == address


@pytest.mark.parametrize("address", ["info@пример.рф", "info@example.中国"])
def test_an_address_with_another_domain_is_refused_with_what_to_write(address: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(EmailAddress).validate_python(address)
    assert "xn--" in str(refused.value.errors()[0]["ctx"])


@pytest.mark.parametrize("address", ["a@b", "a@b.c", "a@b.xn--", "a@b.c1", "a b@example.org"])
def test_what_is_no_address_is_none(address: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(EmailAddress).validate_python(address)
