"""Matches names, queues and numbers against patterns as people write them: * for anything, ? for one character."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache

from conferences.telnyx.addresses import read_address

_BETWEEN_DIGITS = re.compile(r"[\s()./-]")
_NUMBER = re.compile(r"[+0-9*?\s()./-]+")


def matches(pattern: str, value: str) -> bool:
    """Return whether a value matches; capitals do not matter, nor what is written between the digits of a number."""
    return _compiled(pattern).fullmatch(value.casefold()) is not None


@lru_cache(maxsize=1000)
def _compiled(pattern: str) -> re.Pattern[str]:
    if _NUMBER.fullmatch(pattern):
        pattern = _BETWEEN_DIGITS.sub("", pattern)
    # Square brackets are nothing special to people.
    return re.compile(translate(pattern.casefold().replace("[", "[[]")))


def written_numbers(address: str) -> frozenset[str]:
    """Return a telephone number as rules write it; nothing for any other address."""
    number = read_address(address).number
    return frozenset({number}) if number else frozenset()
