"""Runs `floorline doctor`: reports what is wrong with an installation, and what to do about it."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management import BaseCommand
from django.utils import timezone

from dashboard import __version__
from dashboard.doctor import Level, examine


class Command(BaseCommand):
    help = "Look whether everything is as it must be, and say what to do. Ends with 1 where something fails."
    requires_system_checks = ()

    def handle(self, **_: Any) -> None:
        self.stdout.write(f"Floorline {__version__}")
        levels = []
        for finding in examine(now=timezone.now()):
            levels.append(finding.level)
            self.stdout.write(f"{finding.level:<5}{finding.about}: {finding.text}")
            if finding.mend:
                self.stdout.write(f"     → {finding.mend}")
        failed, warned = levels.count(Level.FAIL), levels.count(Level.WARN)
        self.stdout.write(f"{failed} failed, {warned} to look at, {levels.count(Level.OK)} as they must be.")
        sys.exit(1 if failed else 0)
