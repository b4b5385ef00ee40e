"""Floorline's settings with the baseline's one address, and without middleware that it would not need."""

from __future__ import annotations

from dashboard.settings import *  # noqa: F403
from dashboard.settings import DATABASES

ROOT_URLCONF = "benchmarks.naive"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
DATABASES["default"]["CONN_MAX_AGE"] = None
