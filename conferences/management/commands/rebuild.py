"""Rebuilds the board from the stored webhooks."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from conferences.models import Account
from conferences.projection.rebuild import rebuild
from conferences.retention import events_kept_since


class Command(BaseCommand):
    help = "Make the board again from the stored webhooks, and say whether it was right."

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        for account in Account.objects.defer("api_key"):
            report = rebuild(account=account, since=events_kept_since(now), now=now)
            read = f"{account}: {report.events} events read, {report.rows} rows made again."
            if not report.mended:
                self.stdout.write(f"{read} The board is identical.")
                continue
            self.stdout.write(f"{read} {len(report.mended)} were wrong and are mended:")
            for name in report.mended:
                self.stdout.write(f"  {name}")
