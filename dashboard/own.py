"""What is a viewer's alone on a page: the ear in the top bar and the open desk."""

from __future__ import annotations

from datetime import datetime

from . import fragments
from .desk import Desk, desk
from .fragments import Page
from .live import floor
from .my_ear import MyEar, my_ear


class Own:
    """What one page shows of its viewer's own, and the pieces that bring it up to date."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._ear: MyEar | None = None
        self._desk: Desk | None = None
        self._mark: object = None

    def is_concerned(self) -> bool:
        """Say whether the floor has seen a change of this viewer's ear or of the open conference; asks no database."""
        return self._mark_now() != self._mark

    def compare(self) -> None:
        """Look again in any case: not everything a desk says is announced by a version."""
        self._mark = None

    def pieces(self, *, now: datetime) -> list[str]:
        """Return what differs from what was sent."""
        self._mark = self._mark_now()  # first: what changes while reading is then read again
        shown = desk(self.page.viewer, conference_id=self.page.open_id, now=now) if self.page.open_id else None
        mine = shown.ear if shown else my_ear(self.page.viewer, now=now)
        pieces = []
        if mine != self._ear:
            pieces.append(fragments.ear(mine, page=self.page, now=now))
        if self.page.open_id and (shown != self._desk or shown is None):
            pieces.append(fragments.desk(shown, page=self.page, now=now))
        self._ear, self._desk = mine, shown
        return pieces

    def _mark_now(self) -> object:
        return floor.standing(self.page.viewer.pk), self.page.open_id and floor.mark_of(self.page.open_id)
