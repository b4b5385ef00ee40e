"""Keeps answers of the live floor, with the generation and the moment they were found at."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from .loading import Waiting
from .sorting import Entry
from .tallies import Tally

FIGURES_EVERY = timedelta(seconds=1)
ANSWERS_KEPT = 500

_Key = TypeVar("_Key")
_Kept = TypeVar("_Kept")


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one conference in one generation."""

    generation: int
    old: Entry | None
    new: Entry | None


@dataclass(frozen=True, slots=True)
class Found:
    """A window's conferences in order, and the generation they were found in."""

    generation: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """A figure, and when it was counted."""

    generation: int
    at: datetime
    value: int


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures over everything in a scope."""

    news: object
    at: datetime
    tally: Tally
    longest_since: datetime | None
    waiting: tuple[Waiting, ...]


def keep(store: OrderedDict[_Key, _Kept], key: _Key, kept: _Kept) -> None:
    """Cache an answer, and drop the least recently used one."""
    store[key] = kept
    store.move_to_end(key)
    if len(store) > ANSWERS_KEPT:
        store.popitem(last=False)


def is_recent(at: datetime, now: datetime) -> bool:
    """Return whether a figure was counted so lately that it is not counted again."""
    return now - at < FIGURES_EVERY
