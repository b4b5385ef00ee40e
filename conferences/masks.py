"""Finds telephone numbers in texts, however they are written, and leaves three digits of each.

A number is seven or more digits with at most signs between them: spaces, dots, dashes, brackets, `%20`. It counts
inside a word too ("call-3125550142"), in the digits of any script, and after `tel:`, `+` or `%2B`. Shorter ones stay
as they are ("Room 12", "Billing-4312"), and so do a UUID, a date as ISO 8601 writes it, a time, and what can only be
the address of a machine or a network (`://10.0.0.5`, `10.0.0.5:8000`, `from 10.0.0.0/24`): they are evidence.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from urllib.parse import unquote

MASK = "•••• "

_DIGIT = r"[\d²³¹⁰⁴-⁹₀-₉①-⓿❶-➓]"
# No letter, and nothing by which a list, a sentence, a field or a time is divided.
_BETWEEN = r"""(?:%[0-9A-Fa-f]{2}|_|[^\w\n\r,;:"'=&<>{}|@%])"""
# At most twelve signs between two digits, so that a long text is read once.
_NUMBER = re.compile(rf"(?:[+＋] *)?[(（]?{_DIGIT}(?:{_BETWEEN}{{0,12}}{_DIGIT}){{6,}}")
_DATE = r"(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
# The address of a machine: four bytes with dots between them, all of one to three digits and none above 255.
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_ADDRESS = rf"{_BYTE}(?:\.{_BYTE}){{3}}"
_TIME = r"[0-2][0-9]:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_KEPT = re.compile(
    rf"""
    (?<![0-9A-Za-z]) [0-9A-Fa-f]{{8}}(?:-[0-9A-Fa-f]{{4}}){{3}}-[0-9A-Fa-f]{{12}} (?![0-9A-Za-z])
    | (?<![0-9A-Za-z.+(/-]) {_DATE} (?: [T ]{_TIME}(?:Z|[+-][0-9]{{2}}:?[0-9]{{2}})? )? (?![0-9A-Za-z./-])
    | (?<![0-9:]) {_TIME} (?![0-9])
    | (?: (?<=://) | (?<=from[ ]) ) {_ADDRESS} (?: /[0-9]{{1,2}} )? (?![0-9./-])
    | (?<![0-9.]) {_ADDRESS} :[0-9]{{2,5}} (?![0-9.])
    | {MASK.strip()}[ ][0-9]{{3}} (?![0-9])
    """,
    re.VERBOSE,
)
# Not the joiners of emoji and of Persian words, and no line break; what no encoding takes, though: half of a pair.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_CALL_CONTROL_ID = re.compile(r"\bv[0-9]:[\w=-]{12,}")
_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")


def masked_within(text: str) -> str:
    """Return a text with the last three digits only of each telephone number."""
    return _with_numbers(text, lambda digits: f"{MASK}{digits[-3:]}")


def legs_shortened(text: str) -> str:
    """Return a text with the beginning only of each call_control_id: whoever has a whole one can command the leg."""
    return _CALL_CONTROL_ID.sub(lambda found: f"{found[0][:8]}…", text)


def numbers_within(text: str) -> tuple[str, ...]:
    """Return the digits of each telephone number in a text."""
    found = list[str]()

    def noted(digits: str) -> str:
        found.append(digits)
        return ""

    _with_numbers(text, noted)
    return tuple(found)


def spelt_out(text: str) -> str:
    """Return a text with its control and bidi characters spelt out, so that it cannot look like something else."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _with_numbers(text: str, written: Callable[[str], str]) -> str:
    """Return a text with something else in the place of each telephone number."""
    if "%" in text and _NUMBER.search(decoded := _ENCODED.sub(_decoded, text)):
        text = decoded
    parts, end = list[str](), 0
    for kept in _KEPT.finditer(text):
        parts += [_between(text[end : kept.start()], written), kept[0]]
        end = kept.end()
    return "".join([*parts, _between(text[end:], written)])


def _between(text: str, written: Callable[[str], str]) -> str:
    return _NUMBER.sub(lambda number: written(_digits(number[0])), text)


def _digits(text: str) -> str:
    """Return the digits in a text as 0 to 9."""
    text = _ENCODED.sub(" ", text)
    return "".join(str(unicodedata.digit(sign, "")) for sign in unicodedata.normalize("NFKC", text))


def _decoded(encoded: re.Match[str]) -> str:
    """Return what percent signs stand for, on the same line."""
    return " ".join(_UNSEEN.sub(" ", unquote(encoded[0], errors="ignore")).splitlines())
