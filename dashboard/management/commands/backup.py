"""Writes the database into one file, while everything runs: `floorline backup`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand

from dashboard import backups


class Command(BaseCommand):
    help = "Write the database into one file, while everything runs. Keys are not in it; their names are told."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, help="Where to (FLOORLINE_HOME/backups/floorline-TIME).")

    def handle(self, *, file: Path | None, **_: Any) -> None:
        path = (file or self._somewhere()).absolute()
        try:
            backups.write(path)
        except (backups.BackupRefused, OSError) as error:
            sys.exit(f"floorline: {error}")
        self.stdout.write(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
        self.stdout.write(
            f"Not in it: {' and '.join(backups.KEYS)}. Keep them too, somewhere else: without FIELD_KEYS an API key "
            "in the database cannot be read; without SECRET_KEY everybody signs in anew."
        )

    def _somewhere(self) -> Path:
        folder = settings.FLOORLINE_HOME / "backups"
        folder.mkdir(mode=0o700, exist_ok=True)
        mode = "sandbox" if settings.SANDBOX else "floorline"
        return Path(folder / f"{mode}-{datetime.now(UTC):%Y%m%d-%H%M%S}{backups.suffix()}")
