"""Reads from HTML what the screen claims about who hears a supervisor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from html.parser import HTMLParser

from django.contrib.auth.models import User
from django.template.loader import render_to_string

from conferences.models import Conference
from dashboard.desk.desk import desk
from dashboard.desk.ear import my_ear
from dashboard.floor.window import Window
from dashboard.rendering import fragments
from dashboard.rendering.fragments import Page

PLACES = ("sentence", "picture", "bar", "chip", "button")
"""The five places; without a call the phone has neither chip nor button, and on another call's desk no button."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One place that makes the claim, with what it says."""

    place: str
    heard: str
    state: str
    text: str = ""


class Reader(HTMLParser):
    """Collects every element that makes the claim, and the words inside it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Shown] = []
        self.bar: dict[str, str | None] = {}
        self.desk: dict[str, str | None] = {}
        self._open: list[tuple[str, str | None]] = []
        self._texts: dict[int, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        place = _place(tag, names)
        if place is not None:
            self.found.append(Shown(place, names.get("data-heard") or "", names.get("data-state") or ""))
            self._texts[len(self.found) - 1] = []
        if names.get("id") == "my-ear":
            self.bar = names
        if names.get("id") == "desk":
            self.desk = names
        if tag not in {"input", "path", "br", "rect", "circle", "meta", "link", "img"}:
            self._open.append((tag, str(len(self.found) - 1) if place else None))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for _tag, number in self._open:
            if number is not None:
                self._texts[int(number)].append(data)

    def shown(self) -> Iterator[Shown]:
        for number, shown in enumerate(self.found):
            text = " ".join("".join(self._texts[number]).split())
            yield Shown(shown.place, shown.heard, shown.state, text)


def _place(tag: str, names: dict[str, str | None]) -> str | None:
    classes = (names.get("class") or "").split()
    if names.get("id") == "my-ear":
        return "bar"
    if tag == "p" and "sentence" in classes:
        return "sentence"
    if tag == "svg" and "map" in classes:
        return "picture"
    if "chip" in classes and "own" in classes:
        return "chip"
    if tag == "button" and names.get("aria-pressed") == "true":
        return "button"
    return None


def read_claims(html: str) -> Reader:
    """Read the claims out of a page, an answer or what a stream has sent."""
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


def render_claims(user: User, conference: Conference, now: datetime) -> str:
    """Render what a supervisor sees with this conference on the desk: top bar, desk and the chip of their row."""
    page = Page(viewer=user, window=Window(), open_id=conference.pk)
    shown = desk(user, conference_id=conference.pk, now=now)
    mine = shown.ear if shown else my_ear(user, now=now)
    context = {"page": page, "ear": mine, "now": now}
    bar, chip = (render_to_string(f"floor/{name}.html", context) for name in ("_ear", "_own_chip"))
    return bar + chip + fragments.desk(shown, page=page, now=now)


def claims_shown(user: User, conference: Conference, now: datetime) -> list[tuple[str, str, str]]:
    """Return every place that says who hears this supervisor, with its `data-heard` and `data-state`."""
    reader = read_claims(render_claims(user, conference, now))
    return [(shown.place, shown.heard, shown.state) for shown in reader.shown()]


def claim_told(user: User, conference: Conference, now: datetime) -> tuple[str, str]:
    """Return the one claim that all places make; raise AssertionError where they differ."""
    told = {(heard, state) for _place, heard, state in claims_shown(user, conference, now)}
    assert len(told) == 1, claims_shown(user, conference, now)
    return told.pop()
