"""Renders the personal parts of a page: the ear in the top bar and the open desk."""

from __future__ import annotations

from datetime import datetime

from conferences.changes import current
from dashboard.desk.desk import Desk, ear_and_desk
from dashboard.desk.ear import MyEar
from dashboard.floor.live import floor
from dashboard.rendering import fragments
from dashboard.rendering.fragments import Page


class PersonalParts:
    """The ear and the desk as one page shows them, and the pieces that bring them up to date."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.version = 0
        """The board's version after the last look: nothing that was seen is newer."""
        self._ear: MyEar | None = None
        self._desk: Desk | None = None
        self._chip = ""
        self._fingerprint: object = None

    def is_concerned(self) -> bool:
        """Return whether this viewer's ear or the open conference has changed on the floor; asks no database."""
        return self._fingerprint_now() != self._fingerprint

    def compare(self) -> None:
        """Look again in any case: not everything a desk says is announced by a version."""
        self._fingerprint = None

    def pieces(self, *, now: datetime) -> list[str]:
        """Return what differs from what was sent."""
        self._fingerprint = self._fingerprint_now()  # first: what changes while reading is then read again
        mine, shown = ear_and_desk(self.page.viewer, conference_id=self.page.open_id, now=now)
        self.version = current().version
        pieces = []
        if mine != self._ear:
            pieces.append(fragments.ear(mine, page=self.page, now=now))
            chip = "" if self.page.alone else fragments.chip(mine)
            # A time of verification that is refreshed changes the top bar, but not the chip.
            if chip != self._chip:
                pieces.append(chip)
            self._chip = chip
        if self.page.open_id and (shown != self._desk or shown is None):
            pieces.append(fragments.desk(shown, page=self.page, now=now))
        if mine.conference_id != (self._ear and self._ear.conference_id):
            self._fingerprint = None  # the call that the ear is in has not been looked at yet
        self._ear, self._desk = mine, shown
        return pieces

    def content(self) -> str:
        """Return the values that the last pieces were made of, as text that is equal where they are."""
        return repr((self._ear, self._ear.own_leg if self._ear else "", self._desk))

    def _fingerprint_now(self) -> object:
        calls = (self.page.open_id, self._ear.conference_id if self._ear else None)
        return floor.ear_fingerprint(self.page.viewer.pk), *(call and floor.fingerprint_of(call) for call in calls)
