"""Examines this machine: the data folder, the limits of a process, static files, settings."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Iterator

from django.conf import settings
from django.core import checks

from dashboard.serving import preparation, programs

from .findings import Finding, Level

SPARE_BYTES = 1_000_000_000
DESCRIPTORS = 4096
"""Each open page holds one, each sender of webhooks another."""


def home() -> Iterator[Finding]:
    """Report how much room the data has, and whether others may read it."""
    home = settings.FLOORLINE_HOME
    free = shutil.disk_usage(home).free
    if free < SPARE_BYTES:
        text = f"{home} has {free / 1e9:.1f} GB left"
        yield Finding(Level.WARN, "data", text, "Make room, or keep webhooks for fewer days: EVENTS_KEPT_DAYS.")
    elif home.stat().st_mode & 0o007:
        text = f"{home} may be read by every user of this machine"
        yield Finding(Level.WARN, "data", text, f"chmod o-rwx {home}")
    else:
        yield Finding(Level.OK, "data", f"{home}, {free / 1e9:.0f} GB free")


def descriptors() -> Iterator[Finding]:
    """Report how many files and connections a process may open."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)  # `serve` and `web` raise the soft limit to the hard one
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        text = f"a process started here may open {hard}; every open page holds one"
        mend = (
            "LimitNOFILE=65536 in the systemd unit (those in deploy/ have it), or `ulimit -n 65536` before the start."
        )
        yield Finding(Level.WARN, "descriptors", text, mend)
    else:
        yield Finding(
            Level.OK, "descriptors", "unlimited" if hard == resource.RLIM_INFINITY else f"up to {hard} a process"
        )


def static_files() -> Iterator[Finding]:
    """Report whether the static files of this version are collected."""
    if preparation.static_files_are_collected():
        yield Finding(Level.OK, "static files", f"collected in {settings.STATIC_ROOT}")
    else:
        text = f"{settings.STATIC_ROOT} does not hold what this version brings"
        yield Finding(Level.FAIL, "static files", text, f"{programs.as_typed()} serve --prepare")


def checked_settings(*, databases: list[str]) -> Iterator[Finding]:
    """Report what is wrong in the settings and, where a database is named, in its accounts."""
    found = checks.run_checks(tags=["floorline"], include_deployment_checks=True, databases=databases or None)
    for problem in found:
        number = str(problem.id).removeprefix("floorline.")
        level = Level.FAIL if problem.is_serious() else Level.WARN
        yield Finding(level, "settings", f"{problem.msg} ({number})", problem.hint or "")
    if not found:
        yield Finding(Level.OK, "settings", "complete and well-formed")
