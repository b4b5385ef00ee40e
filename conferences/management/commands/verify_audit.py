"""Verifies the audit's hash chain: `floorline verify-audit`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from conferences.audit_chain.verification import Broken, ChainReport, verify


class Command(BaseCommand):
    help = "Walk the audit's chain, and say whether it holds. Ends with 1 where something was changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--noted",
            default="",
            metavar="HASH",
            help="A hash that this command told earlier and that you kept elsewhere: it must still be in the chain.",
        )

    def handle(self, *, noted: str, **_: Any) -> None:
        try:
            report = verify(noted=noted.strip().lower())
        except Broken as broken:
            sys.exit(f"floorline: The audit does not hold. {broken}")
        for line in _lines(report):
            self.stdout.write(line)


def _lines(report: ChainReport) -> list[str]:
    lines = [f"The audit holds. Entries: {report.entries}, segments: {report.segments}."]
    if report.anchor:
        number, at = report.anchor.number, report.anchor.removed_at
        lines.append(f"Segments up to number {number} were removed by retention, the last on {at:%Y-%m-%d}.")
    if report.newest:
        newest = report.newest
        lines.append(f"Newest segment: number {newest.number}, sealed on {newest.sealed_at:%Y-%m-%d %H:%M:%S} UTC.")
        lines.append(f"Its hash, to be kept elsewhere: {newest.hash}")
    lines.append(f"Not sealed yet: {report.unsealed}.")
    return lines
