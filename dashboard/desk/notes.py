"""Stores and reads notes on a conference; everybody who may see the conference may read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from conferences import names
from conferences.changes import board_change
from conferences.models import Conference, Note
from conferences.permissions import rights_book, teams_of

SHOWN = 50


class NoteRefused(Exception):
    """A note that is not kept; `sentence` says why, in the writer's language."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


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
    """Keep a note with a conference. Raises NoteRefused without the right, for nothing to keep, or for too much."""
    if not rights_book(author).in_teams(teams_of(conference)).notes:
        raise NoteRefused(_("You are not allowed to write notes in this team."))
    # A browser sends two characters for each line break that its own counter counted as one.
    told = "\n".join(names.harmless(line, limit=Note.LIMIT) for line in text.replace("\r\n", "\n").split("\n")).strip()
    if not told:
        raise NoteRefused(_("Write something first."))
    if len(told) > Note.LIMIT:
        raise NoteRefused(
            _("A note has at most %(limit)d characters; this one has %(length)d. Shorten it, then save again.")
            % {"limit": Note.LIMIT, "length": len(told)}
        )
    with board_change(conference, now=now):
        Note.objects.create(conference=conference, author=author, at=now, text=told)
