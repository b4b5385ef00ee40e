"""Shows admins what they configure and what they may look up."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from . import account, calls, events, people, scope, supervision, supervisors, users

__all__ = ["account", "calls", "events", "people", "scope", "supervision", "supervisors", "users"]

admin.site.site_header = _("Floorline")
admin.site.site_title = _("Floorline admin")
admin.site.index_title = _("Configure and look up")
