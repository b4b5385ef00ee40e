"""Holds searches for telephone numbers on the server, counts them per person, and audits each.

A number in an address would appear in the browser's history and in every log on the way. Addresses carry a token
instead, which is worth nothing to anybody else. They are counted because a mask that may be tried against without limit
hides nothing: a machine tries hundreds of numbers a minute.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from conferences import audit, names
from conferences.masks import masked_within
from conferences.models import AuditEntry, NumberSearch
from conferences.retention import NUMBER_SEARCHES_KEPT

from .window import Window

MOST = 20
WITHIN = timedelta(minutes=10)
NOTED_EVERY = timedelta(minutes=1)


class TooManySearches(Exception):
    """A search that is not made; `sentence` says why, in the searcher's language."""

    def __init__(self) -> None:
        told = {"most": MOST, "minutes": WITHIN // timedelta(minutes=1)}
        text = _("You have searched for %(most)d numbers within %(minutes)d minutes. Wait, then try again.")
        self.sentence = text % told
        super().__init__(self.sentence)


def asked_window(asked: Mapping[str, str], *, viewer: User, now: datetime) -> Window:
    """Return the window that somebody asks for; a number is held from now on. Raises TooManySearches."""
    query = names.harmless(asked.get("q", ""))
    if not names.number_in(query):
        return window_at(asked, viewer=viewer, now=now)
    held = _hold(query, viewer=viewer, now=now)
    if not held:
        raise TooManySearches
    return replace(Window.from_query(asked), query=query, held=held)


def window_at(address: Mapping[str, str], *, viewer: User, now: datetime, keep: bool = True) -> Window:
    """Return the window of an address, with the number that its token stands for, as long as it is held.

    `keep` holds it for longer. The answer to a press does not: a stop writes nothing but the stop.
    """
    window = Window.from_query(address)
    return replace(window, query=_held(window.held, viewer=viewer, now=now, keep=keep)) if window.held else window


@transaction.atomic
def _hold(query: str, *, viewer: User, now: datetime) -> str:
    """Return the token of a search, nothing where there were too many; what is held is no new one, nor is typing on."""
    User.objects.select_for_update(no_key=True).get(pk=viewer.pk)  # one after the other: each sees the count before
    mine = NumberSearch.objects.filter(user=viewer)
    token = secrets.token_urlsafe(16)
    if held := _alive(viewer, now).filter(query=query).first():
        NumberSearch.objects.filter(pk=held.pk).update(used_at=now)
        return held.token
    newest = mine.order_by("-at", "-pk").first()
    if (
        newest
        and newest.used_at > now - NOTED_EVERY
        and names.number_in(query).startswith(names.number_in(newest.query))
    ):
        NumberSearch.objects.filter(pk=newest.pk).update(query=query, token=token, used_at=now)
    elif mine.filter(at__gt=now - WITHIN).count() < MOST:
        NumberSearch.objects.create(user=viewer, token=token, query=query, at=now, used_at=now)
    else:
        _audit_refusal(viewer, now)
        return ""
    audit.record(AuditEntry.Action.NUMBER_SEARCHED, at=now, actor=viewer, detail=masked_within(query))
    return token


def _audit_refusal(viewer: User, now: datetime) -> None:
    """Record the first refusal of a while: a machine asks hundreds of times."""
    action = AuditEntry.Action.NUMBER_SEARCH_REFUSED
    if not AuditEntry.objects.filter(at__gt=now - WITHIN, actor=viewer, action=action).exists():
        audit.record(action, at=now, actor=viewer)


def _held(token: str, *, viewer: User, now: datetime, keep: bool) -> str:
    """Return what a token stands for, nothing where it is another's or too old; `keep` holds it for longer."""
    search = _alive(viewer, now).filter(token=token).first()
    if search is None:
        return ""
    if keep and search.used_at < now - NOTED_EVERY:
        NumberSearch.objects.filter(pk=search.pk).update(used_at=now)
    return search.query


def _alive(viewer: User, now: datetime) -> QuerySet[NumberSearch]:
    return NumberSearch.objects.filter(user=viewer, used_at__gt=now - NUMBER_SEARCHES_KEPT)
