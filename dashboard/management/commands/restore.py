"""Brings a backup into a database that nobody uses: `floorline restore FILE`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand
from django.db import DatabaseError, connection

from dashboard import backups
from dashboard.serving import preparation, programs


class Command(BaseCommand):
    help = "Bring a backup into this database, which nobody may be using. PostgreSQL: into an empty one."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="What `floorline backup` has written.")

    def handle(self, *, file: Path, **_: Any) -> None:
        try:
            held = preparation.hold_database()
            became = backups.restore(file.absolute())
        except (backups.BackupRefused, preparation.CannotStart, OSError) as error:
            sys.exit(f"floorline: {error}")
        except DatabaseError as error:
            sys.exit(f"floorline: The database cannot be used: {str(error).strip()}. Look at DATABASE_URL.")
        connection.close()
        if held:
            held.close()
        self.stdout.write(f"Restored. {became}".strip())
        self.stdout.write(
            "Set SECRET_KEY and FIELD_KEYS as they were when the backup was made, and start Floorline: it migrates, "
            f"and asks Telnyx what is true now. `{programs.as_typed()} doctor` says what is missing."
        )
