"""Windows on the floor under a name: one's own, and those that colleagues of a common team share."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Q
from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from conferences.models import SavedView, TeamMembership
from conferences.supervision import Refused

from . import names
from .window import Window

MOST = 50


@dataclass(frozen=True, slots=True)
class View:
    """A saved view as the menu offers it."""

    id: int
    name: str
    url: str
    shared: bool
    mine: bool
    by: str


def views_for(user: User) -> tuple[View, ...]:
    """Return the viewer's own views, then those that people of a common team share."""
    # Whoever sees every team has all of them in common.
    teams = TeamMembership.objects.filter(user=user).values("team")
    colleagues = Q(shared=True) if user.is_superuser else Q(shared=True, user__team_memberships__team__in=teams)
    saved = SavedView.objects.filter(Q(user=user) | colleagues).select_related("user").distinct().order_by("name", "id")
    return tuple(
        sorted(
            (
                View(
                    id=view.pk,
                    name=names.plain(view.name),
                    url=reverse("floor") + (f"?{view.query}" if view.query else ""),
                    shared=view.shared,
                    mine=view.user_id == user.pk,
                    by=names.person(view.user),
                )
                for view in saved
            ),
            key=lambda view: not view.mine,
        )
    )


def save(*, user: User, name: str, window: Window, shared: bool) -> None:
    """Keep a window under a name; the same name again is the same view with another window."""
    called = names.plain(name)
    if not called:
        raise Refused(_("Give the view a name first."))
    kept = SavedView.objects.filter(user=user)
    if kept.count() >= MOST and not kept.filter(name=called).exists():
        raise Refused(_("You have %(most)d views. Delete one first.") % {"most": MOST})
    query = QueryDict(mutable=True)
    query.update({key: value for key, value in window.parameters().items() if key != "page"})
    SavedView.objects.update_or_create(
        user=user, name=called, defaults={"query": query.urlencode()[:500], "shared": shared}
    )


def rename(*, view: SavedView, name: str, shared: bool) -> None:
    """Give a view another name, share it or keep it to oneself."""
    called = names.plain(name)
    if not called:
        raise Refused(_("Give the view a name first."))
    if SavedView.objects.filter(user=view.user, name=called).exclude(pk=view.pk).exists():
        raise Refused(_("Another of your views has this name."))
    SavedView.objects.filter(pk=view.pk).update(name=called, shared=shared)
