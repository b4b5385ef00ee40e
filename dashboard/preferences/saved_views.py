"""Stores windows on the floor under a name, private or shared with a common team."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q
from django.http import QueryDict
from django.utils.translation import gettext as _

from conferences import names
from conferences.models import Preferences, SavedView, TeamMembership
from dashboard.floor.window import Window

MOST = 50


class ViewRefused(Exception):
    """A view that is not kept; `sentence` says why, in its owner's language."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class View:
    """A saved view as the menu offers it."""

    id: int
    name: str
    window: Window
    shared: bool
    mine: bool
    by: str
    is_default: bool

    @property
    def url(self) -> str:
        return self.window.url()


@dataclass(frozen=True, slots=True)
class ViewMenu:
    """The views that somebody may open, and the one that the floor shows."""

    views: tuple[View, ...]
    active: View | None
    """None where the floor shows something else."""


def views_for(user: User) -> tuple[View, ...]:
    """Return the viewer's own views, then those that people of a common team share."""
    # Somebody who sees every team shares all of them.
    teams = TeamMembership.objects.filter(user=user).values("team")
    colleagues = Q(shared=True) if user.is_superuser else Q(shared=True, user__team_memberships__team__in=teams)
    default = Preferences.objects.filter(user=user, default_view=OuterRef("pk"))
    saved = SavedView.objects.filter(Q(user=user) | colleagues).select_related("user").distinct().order_by("name", "id")
    return tuple(
        sorted(
            (
                View(
                    id=view.pk,
                    name=names.plain(view.name),
                    window=replace(Window.from_query(QueryDict(view.query).dict()), whole=True),
                    shared=view.shared,
                    mine=view.user_id == user.pk,
                    by=names.person(view.user),
                    is_default=view.is_default,
                )
                for view in saved.annotate(is_default=Exists(default))
            ),
            key=lambda view: not view.mine,
        )
    )


def menu_of(user: User, *, window: Window) -> ViewMenu:
    """Return the views of the menu, with the one that shows the same as a window, whatever its page."""
    views = views_for(user)
    return ViewMenu(views, next((view for view in views if view.window == replace(window, page=1)), None))


def default_of(user: User) -> View | None:
    """Return the view that somebody's floor opens with, as long as they may open it."""
    if not Preferences.objects.filter(user=user).exclude(default_view=None).exists():
        return None
    return next((view for view in views_for(user) if view.is_default), None)


def choose_default(user: User, *, view_id: int, is_default: bool) -> None:
    """Let a view that somebody may open be their floor's default, or no longer. Raises SavedView.DoesNotExist."""
    if view_id not in {view.id for view in views_for(user)}:
        raise SavedView.DoesNotExist
    if is_default:
        Preferences.objects.update_or_create(user=user, defaults={"default_view_id": view_id})
    else:
        Preferences.objects.filter(user=user, default_view=view_id).update(default_view=None)


def save(*, user: User, name: str, window: Window, shared: bool) -> None:
    """Keep a window under a name; the same name again is the same view with another window."""
    called = names.plain(name)
    if not called:
        raise ViewRefused(_("Give the view a name first."))
    kept = SavedView.objects.filter(user=user)
    if kept.count() >= MOST and not kept.filter(name=called).exists():
        raise ViewRefused(_("You have %(most)d views. Delete one first.") % {"most": MOST})
    if window.held:
        raise ViewRefused(_("A view cannot keep a phone number. Clear the search, then save the view."))
    query = QueryDict(mutable=True)
    query.update({key: value for key, value in window.parameters().items() if key != "page"})
    SavedView.objects.update_or_create(
        user=user, name=called, defaults={"query": query.urlencode()[:500], "shared": shared}
    )


def rename(*, view: SavedView, name: str, shared: bool) -> None:
    """Give a view another name, share it or keep it to oneself."""
    called = names.plain(name)
    if not called:
        raise ViewRefused(_("Give the view a name first."))
    if SavedView.objects.filter(user=view.user, name=called).exclude(pk=view.pk).exists():
        raise ViewRefused(_("Another of your views has this name."))
    SavedView.objects.filter(pk=view.pk).update(name=called, shared=shared)
