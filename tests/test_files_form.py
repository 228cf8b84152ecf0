"""The form of a place for files: only what the chosen place needs is asked for, required and kept."""

from typing import Any

import pytest

from carts.systems.csv_cart import CsvCart
from integration_manager.connector_form import AGAIN, ConnectorForm
from integration_manager.crypto import Secret

SFTP = {"place": "sftp", "host": "sftp.example", "user": "im", "password": Secret("p"), "host_key": "SHA256:x"}


def form(stored: dict[str, Any], **typed: str) -> ConnectorForm:
    """The form with its defaults and what a person typed."""
    values = {f"c-{name}": str(getattr(field, "default", None) or "") for name, field in CsvCart.fields.items()}
    found = ConnectorForm(CsvCart, "account", stored, values | {f"c-{name}": text for name, text in typed.items()})
    found.is_valid()
    return found


def missing(found: ConnectorForm) -> list[str]:
    return sorted(found.errors)


@pytest.mark.parametrize(
    ("place", "needed"),
    [
        ("sftp", ["host", "user"]),
        ("ftps_implicit", ["host", "user"]),
        ("email", []),
        ("disk", []),
    ],
)
def test_what_a_place_needs(place: str, needed: list[str]) -> None:
    assert missing(form({}, place=place)) == needed


def test_what_hangs_on_a_choice_that_hangs_on_a_choice() -> None:
    own = {"mail_by": "own"}
    assert missing(form({}, place="email", **own)) == ["smtp_from", "smtp_host"]
    assert missing(form({}, place="sftp", host="a.example", user="u", **own)) == []


def test_values_of_another_place_are_not_kept() -> None:
    found = form(SFTP, place="email", mail_to="a@example.com", host="sftp.example", private_key="k")
    assert found.is_valid(), found.errors
    values = found.values()
    assert values["place"] == "email" and values["mail_to"] == "a@example.com"
    assert not {"host", "user", "password", "private_key", "host_key", "directory", "smtp_host"} & set(values)


def test_a_password_does_not_follow_to_where_it_travels_in_the_open() -> None:
    found = form(SFTP, place="ftp", host="sftp.example", user="im")
    assert {name: list(said) for name, said in found.errors.items()} == {"password": [AGAIN]}
    again = form(SFTP, place="ftp", host="sftp.example", user="im", password="p")
    assert again.is_valid() and "host_key" not in again.values()


def test_the_form_says_that_plain_ftp_is_not_encrypted() -> None:
    html = form({}).as_p()
    assert html.count("NOT ENCRYPTED") == 2 and "travel unencrypted" in html
    field: Any = form({}).fields["smtp_host"]
    assert field.when == ("c-mail_by", "own")
