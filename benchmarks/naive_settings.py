"""Configures Django for the baseline: one address, and only the middleware that it needs."""

from __future__ import annotations

from dashboard.settings import *  # noqa: F403
from dashboard.settings import DATABASES

ROOT_URLCONF = "benchmarks.naive"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
DATABASES["default"]["CONN_MAX_AGE"] = None
