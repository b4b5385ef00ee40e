from __future__ import annotations

import pytest

from conferences.names import listed, masked, plain


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+4915550100142", "+49 •••• 142"),
        ("+12025550990", "+1 •••• 990"),
        ("+38055550162", "+380 •••• 162"),
        ("015550100142", "•••• 142"),
        ("sip:+12025550990@carrier.example", "+1 •••• 990"),
        ("sip:maria.meyer@carrier.example", "SIP caller"),
        ("SIP:+12025550990@sip.telnyx.com", "+1 •••• 990"),
        ('"Jane Roe" <sip:+12025550990@sip.example.com>;tag=1', "+1 •••• 990"),
        ('"+49 30 123456" <sip:jane@sip.example.com>', "SIP caller"),
        ("sip:%2B12025550990@sip.example.com:5060;user=phone", "+1 •••• 990"),
        ("tel:+1-202-555-0990", "+1 •••• 990"),
        ("+1 (202) 555-0990", "+1 •••• 990"),
        ("+49 (0)30 123456", "+49 •••• 456"),
        ("0049 30 123456", "+49 •••• 456"),
        ("anonymous", "number withheld"),
        ("Anonymous", "number withheld"),
        ("sip:anonymous@anonymous.invalid", "number withheld"),
        ('"Anonymous" <sip:c8oqz84zk7z@anonymous.invalid>', "number withheld"),
        ("restricted@sip.telnyx.com", "number withheld"),
        ("1001", "extension ••01"),
        ("sip:1001@pbx.example.com", "extension ••01"),
        ("42", "extension ••"),
        ("72727", "short number ••27"),
        ("gencredAna", "SIP caller"),
        ("", "number unknown"),
        ("unknown", "number unknown"),
        ("unavailable@sip.telnyx.com", "number unknown"),
        ("+1202<b>", "number unknown"),
        ("+123456789012345678", "number unknown"),
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
