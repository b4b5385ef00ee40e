"""The part of the floor that a page shows: what is searched for, filtered, in which order. It lives in the URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse

from . import names
from .reasons import Flag

WINDOW_SIZE = 40
NEEDS = "needs"
"""The flag that asks for everything that needs somebody, whatever the reason."""
FLAGS = frozenset({NEEDS, *Flag})


class Sort(StrEnum):
    """The orders of the floor."""

    LONGEST = "longest"
    NEEDS = "needs"
    NEWEST = "newest"
    NAME = "name"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Window:
    """One window on the floor; anything odd in a URL falls back to the default."""

    query: str = ""
    team: int = 0
    queue: str = ""
    """`q:<name of a Telnyx queue>` or `c:<id of a Connection>`."""
    flag: str = ""
    """A Flag, or NEEDS."""
    supervised: bool = False
    sort: Sort = Sort.LONGEST
    by_agent: bool = False
    page: int = 1

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Window:
        """Read a window from a URL's query."""
        flag, queue, sort = query.get("flag", ""), query.get("queue", ""), query.get("sort", "")
        return cls(
            query=names.plain(query.get("q", "")),
            team=_number(query.get("team", "")),
            queue=f"{queue[:2]}{names.plain(queue[2:], limit=100)}" if queue[:2] in {"q:", "c:"} else "",
            flag=flag if flag in FLAGS else "",
            supervised=query.get("supervised") == "1",
            sort=Sort(sort) if sort in set(Sort) else Sort.LONGEST,
            by_agent=query.get("group") == "agent",
            page=max(1, _number(query.get("page", ""))),
        )

    @property
    def filters(self) -> Window:
        """Return what decides which conferences match, without the order and the page."""
        return replace(self, sort=Sort.LONGEST, by_agent=False, page=1)

    @property
    def is_filtered(self) -> bool:
        return self.filters != Window()

    def parameters(self) -> dict[str, str]:
        """Return what differs from the default, as the URL spells it."""
        said = {
            "q": self.query,
            "team": str(self.team or ""),
            "queue": self.queue,
            "flag": self.flag,
            "supervised": "1" if self.supervised else "",
            "sort": "" if self.sort == Sort.LONGEST else str(self.sort),
            "group": "agent" if self.by_agent else "",
            "page": str(self.page) if self.page > 1 else "",
        }
        return {key: value for key, value in said.items() if value}

    def url(self, *, conference: UUID | None = None, page: int | None = None) -> str:
        """Return the floor's address with this window, and a conference open on the desk."""
        shown = replace(self, page=page or self.page)
        return reverse("floor") + _query(shown.parameters(), conference)

    def stream_url(self, *, conference: UUID | None, alone: bool) -> str:
        """Return the address of the stream that keeps this window true."""
        return "/stream/" + _query(self.parameters() | ({"alone": "1"} if alone else {}), conference)


def _query(parameters: dict[str, str], conference: UUID | None) -> str:
    asked = parameters | ({"conference": str(conference)} if conference else {})
    return f"?{urlencode(asked)}" if asked else ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
