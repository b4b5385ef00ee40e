"""Defines how a request to Telnyx fails: answered with no, or not answered."""

from __future__ import annotations


class Rejected(Exception):
    """Telnyx answered, and the answer is no.

    `code` is Telnyx's error code, `carrier_code` the voice network's (D38), "" where it gave none.
    """

    def __init__(self, *, status: int, code: str, title: str, carrier_code: str = "") -> None:
        super().__init__(f"HTTP {status} {code} {carrier_code} {title}".strip())
        self.status = status
        self.code = code
        self.title = title
        self.carrier_code = carrier_code

    @property
    def codes(self) -> str:
        """Return both codes, as they are shown; "" where Telnyx gave none."""
        return f"{self.code} {self.carrier_code}".strip()

    @property
    def means_gone(self) -> bool:
        """Return whether Telnyx says that what was asked about does not exist, or exists no more."""
        return self.status in {404, 422}


class Unanswered(Exception):
    """Telnyx did not answer, or broke off: the command may have run, may still run, or never will."""
