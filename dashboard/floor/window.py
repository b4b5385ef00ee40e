"""Reads from the URL which part of the floor a page shows: search, filters and order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse

from conferences import names

from .reasons import Flag

WINDOW_SIZE = 40
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,32}")
"""The form of a token that stands for a number in an address."""
NEEDS = "needs"
"""The flag that asks for everything that needs somebody, whatever the reason."""
FLAGS = frozenset({NEEDS, *Flag})


class Sort(StrEnum):
    """The orders of the floor."""

    NEEDS = "needs"
    LONGEST = "longest"
    NEWEST = "newest"
    NAME = "name"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Window:
    """One window on the floor; anything odd in a URL falls back to the default."""

    query: str = field(default="", repr=False)
    team: int = 0
    queue: str = ""
    """`q:<name of a Telnyx queue>` or `c:<id of a Connection>`."""
    flag: str = ""
    """A Flag, or NEEDS."""
    supervised: bool = False
    sort: Sort = Sort.NEEDS
    by_agent: bool = False
    waiting: bool = False
    """Whether who waits in a queue is listed above the calls."""
    page: int = 1
    held: str = field(default="", repr=False)
    """The token of a search for a number, which stands in no address (number_search.py)."""
    whole: bool = field(default=False, compare=False)
    """Whether its address says that everything is meant; the bare one leads to the viewer's default view."""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Window:
        """Read a window from a URL's query; a number is left out, only its token may stand there."""
        text = names.harmless(query.get("q", ""))
        flag, queue, sort = query.get("flag", ""), query.get("queue", ""), query.get("sort", "")
        return cls(
            query="" if names.number_in(text) else text,
            team=_number(query.get("team", "")),
            queue=f"{queue[:2]}{names.harmless(queue[2:], limit=100)}" if queue[:2] in {"q:", "c:"} else "",
            flag=flag if flag in FLAGS else "",
            supervised=query.get("supervised") == "1",
            sort=Sort(sort) if sort in set(Sort) else Sort.NEEDS,
            by_agent=query.get("group") == "agent",
            waiting=query.get("waiting") == "1",
            page=max(1, _number(query.get("page", ""))),
            held=token if TOKEN.fullmatch(token := query.get("number", "")) else "",
            whole=query.get("all") == "1",
        )

    @property
    def filters(self) -> Window:
        """Return what decides which conferences match, without the order, the page and what stands above."""
        return replace(self, sort=Sort.NEEDS, by_agent=False, waiting=False, page=1)

    @property
    def counted(self) -> Window:
        """Return what decides how many lines there are: grouped by agent, a conference stands under each of them."""
        return replace(self.filters, by_agent=self.by_agent)

    @property
    def is_lost(self) -> bool:
        """Return whether it asks for a number that the server does not hold any more: nothing matches then."""
        return bool(self.held) and not self.query

    @property
    def is_filtered(self) -> bool:
        return self.filters != Window()

    def parameters(self) -> dict[str, str]:
        """Return what differs from the default, as the URL spells it."""
        said = {
            "q": "" if self.held else self.query,
            "number": self.held,
            "team": str(self.team or ""),
            "queue": self.queue,
            "flag": self.flag,
            "supervised": "1" if self.supervised else "",
            "sort": "" if self.sort == Sort.NEEDS else str(self.sort),
            "group": "agent" if self.by_agent else "",
            "waiting": "1" if self.waiting else "",
            "page": str(self.page) if self.page > 1 else "",
        }
        return {key: value for key, value in said.items() if value}

    def url(self, *, conference: UUID | None = None) -> str:
        """Return the floor's address with this window, and a conference open on the desk."""
        said = self.parameters() or ({"all": "1"} if self.whole else {})
        return reverse("floor") + _query(said, conference)

    def stream_url(self, *, conference: UUID | None, alone: bool) -> str:
        """Return the address of the stream that keeps this window true."""
        return "/stream/" + _query(self.parameters() | ({"alone": "1"} if alone else {}), conference)


def _query(parameters: dict[str, str], conference: UUID | None) -> str:
    asked = parameters | ({"conference": str(conference)} if conference else {})
    return f"?{urlencode(asked)}" if asked else ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
