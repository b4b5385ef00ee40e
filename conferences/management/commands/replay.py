"""Plays what a probe captured against the sandbox: `floorline replay`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from conferences.probe.replay import NotACapture, differences, lines_of


class Command(BaseCommand):
    help = (
        "Play a capture of `floorline probe` against a sandbox of its own, and say where Telnyx and the sandbox "
        "differ. Nothing leaves this machine. Ends with 1 where they differ."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("capture", type=Path, help="What `floorline probe --capture` wrote.")

    def handle(self, *, capture: Path, **_: Any) -> None:
        try:
            found = differences(lines_of(capture.read_text()))
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"The capture {capture} could not be read: {error}") from error
        except NotACapture as error:
            raise CommandError(str(error)) from error
        for difference in found:
            self.stdout.write(str(difference))
        if found:
            self.stdout.write(f"The sandbox differs from this Telnyx in {len(found)} things.")
            sys.exit(1)
        self.stdout.write("The sandbox does what this Telnyx did.")
