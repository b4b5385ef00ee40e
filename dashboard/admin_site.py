"""Lists the admin's pages in the order of the work: set up, look up, under the hood."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

GUIDE, WHO_MAY_SEE_WHAT, WHO_LISTENED = "guide", "who-may-see-what", "who-listened"
SET_UP = [
    GUIDE,
    "conferences.Account",
    "conferences.Connection",
    "conferences.Team",
    "conferences.Agent",
    "conferences.Supervisor",
    "conferences.TeamRule",
    "conferences.Protection",
    WHO_MAY_SEE_WHAT,
]
LOOK_UP = [
    "conferences.Conference",
    "conferences.Leg",
    "conferences.Participant",
    WHO_LISTENED,
    "conferences.SupervisorSession",
    "conferences.UnsteeredLine",
    "conferences.Ear",
    "conferences.WebhookEvent",
    "conferences.Command",
    "conferences.AuditEntry",
]


class FloorlineAdminSite(AdminSite):
    """Django's admin with its pages in our order; every address is Django's own."""

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the groups of the index and the side bar; of one app, Django's own list."""
        if app_label is not None:
            return super().get_app_list(request, app_label)
        entries = _further_pages(request)
        for app in self._build_app_dict(request).values():
            entries |= {f"{app['app_label']}.{model['object_name']}": model for model in app["models"]}
        groups = [
            _group("set-up", _("Set up"), [entries.pop(name) for name in SET_UP if name in entries]),
            _group("look-up", _("Look up"), [entries.pop(name) for name in LOOK_UP if name in entries]),
            _group("under-the-hood", _("Under the hood"), list(entries.values())),
        ]
        return [group for group in groups if group["models"]]


def _group(label: str, name: Promise, models: list[Any]) -> dict[str, Any]:
    url = f"{reverse('admin:index')}#{label}"
    return {"name": name, "app_label": label, "app_url": url, "has_module_perms": True, "models": models}


def _further_pages(request: HttpRequest) -> dict[str, Any]:
    """Return the pages that belong to no model, as far as somebody may open them."""
    pages = {
        GUIDE: _page("Guide", _("Set-up guide"), reverse("setup")),
        WHO_LISTENED: _page("WhoListened", _("Who listened"), reverse("audit")),
    }
    if request.user.has_perms(["conferences.view_teamrule", "conferences.view_conference"]):
        pages[WHO_MAY_SEE_WHAT] = _page("WhoMaySeeWhat", _("Who may see what"), reverse("admin:who_may_see_what"))
    return pages


def _page(key: str, name: Promise, url: str) -> dict[str, Any]:
    return {
        "name": name, "object_name": key, "admin_url": url, "add_url": None, "view_only": True, "model": None,
        "perms": {"view": True},
    }  # fmt: skip
