"""Formats what is logged: no telephone numbers, no control characters, and never more than some kilobytes."""

from __future__ import annotations

import copy
import logging

from conferences.masks import masked_within, spelt_out

MOST_IN_A_LINE = 1000
MOST_IN_ALL = 8000
SECURITY = "django.security."


class LogFormatter(logging.Formatter):
    """Formats one record at a limited length: a message may quote long input from outside."""

    def format(self, record: logging.LogRecord) -> str:
        if record.name.startswith(SECURITY):
            # Refused requests, such as one for another host: nothing of ours went wrong, so no trace is needed.
            record = copy.copy(record)
            record.exc_info = record.exc_text = None
        lines = masked_within(spelt_out(super().format(record))).split("\n")
        return _bounded("\n".join(_bounded(line, MOST_IN_A_LINE) for line in lines), MOST_IN_ALL)


def _bounded(text: str, most: int) -> str:
    """Return a text without its middle where it is too long: a trace tells most at its end."""
    if len(text) <= most:
        return text
    return f"{text[: most // 4]} … {len(text) - most} characters left out … {text[-(most - most // 4) :]}"
