"""Imports and exports teams, agents, supervisors and their phones as files."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from . import pages

__all__ = ["urls"]


def urls(site: AdminSite) -> list[URLPattern]:
    """Return the addresses, below those of teams."""
    return [
        path("directory/", _page(site, pages.overview), name="directory"),
        path("directory/<slug:slug>/", _page(site, pages.page), name="directory_kind"),
        path("directory/<slug:slug>/export/", _page(site, pages.export), name="directory_export"),
        path("directory/<slug:slug>/template/", _page(site, pages.template), name="directory_template"),
    ]


def _page(site: AdminSite, view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def within_admin(request: HttpRequest, **of_address: Any) -> HttpResponse:
        return view(request, site.each_context(request), **of_address)

    return site.admin_view(within_admin)
