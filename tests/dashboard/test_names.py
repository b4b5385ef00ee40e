from __future__ import annotations

import pytest

from dashboard.names import listed, masked, plain


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+4915550100142", "+49 •••• 142"),
        ("+12025550990", "+1 •••• 990"),
        ("+38055550162", "+380 •••• 162"),
        ("015550100142", "•••• 142"),
        ("sip:+12025550990@carrier.example", "+1 •••• 990"),
        ("sip:maria.meyer@carrier.example", "SIP caller"),
        ("anonymous", "number withheld"),
        ("", "number withheld"),
        ("+1202<b>", "number withheld"),
    ],
)
def test_a_customers_number_keeps_its_country_and_three_digits(number: str, shown: str) -> None:
    assert masked(number) == shown


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("two\r\nlines\tand  spaces", "two lines and spaces"),
        ("bidi\u202egnp.exe\u2066", "bidignp.exe"),
        ("nul\x00 bell\x07 esc\x1b[31m", "nul bell esc[31m"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("lone\ud800surrogate", "lonesurrogate"),
        ("Łucja 日本 Ünal", "Łucja 日本 Ünal"),
    ],
)
def test_a_name_from_outside_is_one_harmless_line(hostile: str, shown: str) -> None:
    assert plain(hostile) == shown


def test_a_name_of_ten_kilobytes_is_cut() -> None:
    assert plain("x" * 10_240) == "x" * 59 + "…"


def test_names_are_joined_as_in_a_sentence() -> None:
    assert listed(["Customer", "Ana", "Max"]) == "Customer, Ana and Max"
