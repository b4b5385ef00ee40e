"""Notes on a conference: written by one supervisor, read by everybody who may see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from conferences import changes
from conferences.models import Conference, Note
from conferences.projection import touch
from conferences.supervision import Refused

from . import names

SHOWN = 50


@dataclass(frozen=True, slots=True)
class NoteLine:
    """One note, harmless and ready to be shown."""

    id: int
    at: datetime
    author: str
    text: str
    """May hold line breaks."""


def notes_on(conference: Conference) -> tuple[NoteLine, ...]:
    """Return the newest notes first."""
    notes = Note.objects.filter(conference=conference).select_related("author").order_by("-at", "-id")
    return tuple(NoteLine(note.pk, note.at, names.person(note.author), note.text) for note in notes[:SHOWN])


def write(*, author: User, conference: Conference, text: str, now: datetime) -> None:
    """Keep a note with a conference. Raises Refused where there is nothing to keep, or too much."""
    # A browser sends two characters for each line break that its own counter counted as one.
    told = "\n".join(names.plain(line, limit=Note.LIMIT) for line in text.replace("\r\n", "\n").split("\n")).strip()
    if not told:
        raise Refused(_("Write something first; an empty note is not kept."))
    if len(told) > Note.LIMIT:
        raise Refused(
            _("A note has at most %(limit)d characters; this one has %(length)d. Shorten it, then save again.")
            % {"limit": Note.LIMIT, "length": len(told)}
        )
    with transaction.atomic():
        version = changes.advance(now=now)
        Note.objects.create(conference=conference, author=author, at=now, text=told)
        touch(conferences=[conference.pk], version=version)
