"""Secrets, numbers and card numbers that the tests use, and the watch that looks for them in whatever is logged.

The whole suite runs at DEBUG. What a logger tells is looked at as an operator would read it, through the formatter of
the settings; what real processes write is looked at as it is (tests/tooling/conftest.py).
"""

from __future__ import annotations

import logging
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager

from dashboard.log_lines import LogFormatter

API_KEY = "KEY0123456789"
FIELD_KEYS = [urlsafe_b64encode(bytes([number]) * 32).decode() for number in (171, 172, 173)]
SECRET_KEY = "planted-secret-key-" * 3
PASSWORDS = ["kim-password", "lena-password", "omar-password", "boss-password", "hunter2 my password"]
SIP_PASSWORD, STATE_SECRET = "planted-sip-password", "planted-state-secret"
NUMBER, CARD = "+4915550166077", "4111 1111 1111 1111"
TYPED_CARD = "4111222233334444"
"""What a caller types on their phone."""
NUMBERS = [
    "+4930123456142", "+4930123456199", "+13125550142", "+15550100001", "+15550100077", "+12025550990",
    "+4915550100142", "+4915550100143", "+4915550100299", "+4915550100555", "+4915550100777", NUMBER,
]  # fmt: skip
"""Of callers and of supervisors' phones."""
LEGS = ["v3:PlantedCustomer-leg", "v3:PlantedAgent-leg"]

PLANTED = {
    "API key": [API_KEY, "KEY0188A0B1C2", "KEY_of_tomorrow", "KEY_from_the_environment"],
    "key for fields": FIELD_KEYS,
    "secret key": [SECRET_KEY],
    "password": [*PASSWORDS, SIP_PASSWORD],
    "client_state": [STATE_SECRET],
    "number": [number[1:] for number in NUMBERS],
    "card": [CARD, CARD.replace(" ", ""), TYPED_CARD],
    "leg": LEGS,
}
_ANY = re.compile("|".join(re.escape(word) for words in PLANTED.values() for word in words))


def found(text: str, planted: dict[str, list[str]] = PLANTED) -> list[str]:
    """Return the sorts of what is planted that a text tells."""
    if planted is PLANTED and not _ANY.search(text):
        return []
    return [name for name, words in planted.items() if any(word in text for word in words)]


class Watch(logging.Handler):
    """Notes which planted thing was logged, and by which logger."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.told: list[str] = []
        self._as_it_is, self._as_read = logging.Formatter(), LogFormatter()

    def emit(self, record: logging.LogRecord) -> None:
        # The operator's formatter takes its time, and most records tell nothing in the first place.
        if found(self._as_it_is.format(record)):
            self.told += [f"{name} by {record.name}" for name in found(self._as_read.format(record))]

    def watch(self) -> None:
        """Hear every logger from now on, as the settings have them where the level is DEBUG."""
        root = logging.getLogger()
        root.setLevel(logging.DEBUG)
        others = [one for one in root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
        for logger in (root, *(one for one in others if not one.propagate)):
            logger.addHandler(self)  # which does nothing where it is there already


WATCH = Watch()


def begin() -> None:
    """Let loggers tell everything, to the watch alone: what else listens goes on at the level that it had."""
    level = logging.getLogger().level
    for handler in logging.getLogger().handlers:
        handler.setLevel(max(handler.level, level))
    WATCH.watch()


@contextmanager
def nothing_logged() -> Iterator[None]:
    """Fail where something that is planted is logged meanwhile."""
    WATCH.watch()
    WATCH.told.clear()
    yield
    assert WATCH.told == [], f"logged: {', '.join(dict.fromkeys(WATCH.told))}"
