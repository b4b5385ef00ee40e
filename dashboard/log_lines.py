"""Formats what is logged: no numbers, keys and addresses of legs, no control characters, never more than some kB."""

from __future__ import annotations

import copy
import logging
import re

from django.conf import settings

from conferences.masks import legs_shortened, masked_within, spelt_out

MOST_IN_A_LINE = 1000
MOST_IN_ALL = 8000
SECURITY = "django.security."
API_KEY = re.compile(r"\bKEY(?=[\w-]*\d)[\w-]{8,}")
"""A key as Telnyx makes them: one that is typed into an account is in no setting."""


class LogFormatter(logging.Formatter):
    """Formats one record at a limited length: a message may quote long input from outside."""

    def format(self, record: logging.LogRecord) -> str:
        if record.name.startswith(SECURITY):
            # Refused requests, such as one for another host: nothing of ours went wrong, so no trace is needed.
            record = copy.copy(record)
            record.exc_info = record.exc_text = None
        text = _without_keys(legs_shortened(spelt_out(super().format(record))))
        lines = masked_within(text).split("\n")
        return _bounded("\n".join(_bounded(line, MOST_IN_A_LINE) for line in lines), MOST_IN_ALL)


def _without_keys(text: str) -> str:
    """Return a text without the keys that this process knows: an error of a library may quote what it was given."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS, *settings.FIELD_KEYS, settings.TELNYX_API_KEY]
    for key in (*keys, settings.DATABASES["default"].get("PASSWORD")):
        if key:
            text = text.replace(key, "…")
    return API_KEY.sub("KEY…", text)


def _bounded(text: str, most: int) -> str:
    """Return a text without its middle where it is too long: a trace tells most at its end."""
    if len(text) <= most:
        return text
    return f"{text[: most // 4]} … {len(text) - most} characters left out … {text[-(most - most // 4) :]}"
