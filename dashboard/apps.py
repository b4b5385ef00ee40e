"""Configures the Django app."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin import apps as admin_apps


class FloorlineAdminConfig(admin_apps.AdminConfig):
    default = False
    default_site = "dashboard.admin_site.FloorlineAdminSite"


class DashboardConfig(AppConfig):
    name = "dashboard"
    default = True

    def ready(self) -> None:
        from dashboard import checks, error_reports, sign_ins  # noqa: F401, PLC0415  # registers checks; models first

        error_reports.begin(settings.SENTRY_DSN)
        sign_ins.begin()
