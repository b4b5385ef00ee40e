"""Exports what a filter finds as CSV or XLSX; no cell of it is a formula, and each export is in the audit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext as _

from conferences import audit, names
from conferences.models import AuditEntry
from conferences.spreadsheets import BOM, Cell, as_csv, as_xlsx

from .filtering import AuditFilter, heads
from .lines import PER_PAGE, AuditLine, lines_of

MOST = 5000
MOST_EXPORTS = 10
WITHIN = timedelta(minutes=10)


class ExportRefused(Exception):
    """An export that is not made; `sentence` says why, in the reader's language."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Export:
    """The first entries of everything that is exported, the reader, and the moment."""

    found: Sequence[int]
    reader: User
    wanted: AuditFilter
    zone: tzinfo
    now: datetime

    def rows(self) -> Iterator[list[Cell]]:
        """Yield the heading, then a row for each line."""
        yield _heading(self.zone)
        for batch in self.batches:
            yield from self.read(batch)

    @property
    def batches(self) -> list[Sequence[int]]:
        return [self.found[place : place + PER_PAGE] for place in range(0, len(self.found), PER_PAGE)]

    def read(self, batch: Sequence[int]) -> list[list[Cell]]:
        """Return the rows of a part of what was found."""
        entries = AuditEntry.objects.filter(pk__in=batch).select_related("actor").order_by("-at", "-pk")
        with timezone.override(self.zone):
            lines = lines_of(list(entries), reader=self.reader, wanted=self.wanted, with_entries=False)
            return [_row(line, now=self.now) for line in lines]


def begin_export(reader: User, wanted: AuditFilter, *, kind: str, now: datetime) -> Export:
    """Return what is to be exported, and record that it is. Raises ExportRefused."""
    mine = AuditEntry.objects.filter(actor=reader, action=AuditEntry.Action.AUDIT_EXPORTED, at__gt=now - WITHIN)
    if mine.count() >= MOST_EXPORTS:
        told = {"most": MOST_EXPORTS, "minutes": WITHIN // timedelta(minutes=1)}
        text = _("You have exported %(most)d times within %(minutes)d minutes. Wait, then try again.")
        raise ExportRefused(text % told)
    found = list(heads(reader, wanted).values_list("pk", flat=True)[: MOST + 1])
    if len(found) > MOST:
        text = _("This is more than one export holds (%(most)d). Choose fewer days, then export again.")
        raise ExportRefused(text % {"most": MOST})
    audit.record(
        AuditEntry.Action.AUDIT_EXPORTED, at=now, actor=reader, detail=f"{kind}, {len(found)} found{_told(wanted)}"
    )
    return Export(found, reader, wanted, timezone.get_current_timezone(), now)


async def csv_parts(export: Export) -> AsyncIterator[str]:
    """Yield a CSV file, read and sent a part at a time."""
    yield BOM + as_csv([_heading(export.zone)])
    read = sync_to_async(export.read)
    for batch in export.batches:
        yield as_csv(await read(batch))


def xlsx(export: Export) -> bytes:
    """Return an XLSX file."""
    return as_xlsx(export.rows())


def _heading(zone: tzinfo) -> list[Cell]:
    return [
        _("From (%(zone)s)") % {"zone": zone},
        _("Until (%(zone)s)") % {"zone": zone},
        _("Seconds"),
        _("Who"),
        _("What"),
        _("Mode"),
        _("To"),
        _("Call"),
        _("Verified"),
        _("Why it ended, or what was noted"),
    ]


def _row(line: AuditLine, *, now: datetime) -> list[Cell]:
    seconds = line.seconds(now=now)
    until = _moment(line.until) if line.until else _("still listening") if line.goes_on else ""
    lasted: Cell = int(seconds) if seconds is not None else ""
    return [
        _moment(line.at),
        until,
        lasted,
        line.who,
        line.text,
        line.role_name,
        line.names,
        line.call,
        line.proof,
        line.why,
    ]


def _moment(at: datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}"


def _told(wanted: AuditFilter) -> str:
    """Return the filter as the audit keeps it."""
    told = {
        "person": wanted.person.get_username() if wanted.person else "",
        "team": wanted.team.name if wanted.team else "",
        "agent": wanted.agent.name if wanted.agent else "",
        "call": names.plain(wanted.call),
        "mode": wanted.mode,
        "from": wanted.first_day,
        "to": wanted.last_day,
    }
    return "".join(f"; {name} {names.plain(str(value))}" for name, value in told.items() if value)
