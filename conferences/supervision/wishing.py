"""What a click wanted that first had to bring the line in: a whisper follows by itself, a louder role asks again."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from conferences import changes
from conferences.models import Presence, SupervisorSession
from conferences.models.supervision import Role
from conferences.permissions import rights_book, teams_of
from conferences.projection import touch

from .audience import audience_of
from .changing import send_role_command
from .service import authorise
from .words import Refused

WHISPER_WITHIN = timedelta(seconds=45)
PAGE_ALIVE_FOR = timedelta(seconds=15)


def follow_wish(session: SupervisorSession, *, now: datetime) -> None:
    """Do what the click wanted once inside: whisper follows by itself under three conditions, louder asks again."""
    if session.wanted_role != Role.WHISPER:
        _forget_wish(session, notice=_("You are in, silently. Press again to be heard."), now=now)
        return
    obstacle = _whisper_obstacle(session, now=now) or _whisper(session, now=now)
    if obstacle is not None:
        notice = _("You are in, silently. The whisper was not started: %(why)s Press Whisper again.")
        _forget_wish(session, notice=notice % {"why": obstacle}, now=now)


def _whisper(session: SupervisorSession, *, now: datetime) -> str | None:
    """Start the whisper that was wanted; return what stands in its way."""

    def check() -> None:
        # In the transaction that stores it: a stop may have been pressed since the wish was read.
        if SupervisorSession.objects.filter(pk=session.pk, wanted_role=Role.WHISPER, wanted_at=session.wanted_at):
            listeners = [UUID(target) for target in session.wanted_targets]
            authorise(user=session.user, conference=session.conference, role=Role.WHISPER, listeners=listeners)
        else:
            raise Forgotten("")

    try:
        send_role_command(
            session,
            role=Role.WHISPER,
            listeners=session.wanted_targets,
            audience=session.audience_seen,
            check=check,
            now=now,
        )
    except Forgotten:
        return None
    except Refused as refused:
        return refused.sentence
    return None


class Forgotten(Refused):
    """A wish that its supervisor has taken back."""


def _forget_wish(session: SupervisorSession, *, notice: str, now: datetime) -> None:
    with transaction.atomic():
        version = changes.advance(now=now)
        SupervisorSession.objects.filter(pk=session.pk, wanted_at=session.wanted_at).update(
            wanted_role=Role.MONITOR, wanted_targets=[], notice=notice
        )
        touch(conferences=[session.conference_id], version=version)


def _whisper_obstacle(session: SupervisorSession, *, now: datetime) -> str | None:
    if now - session.wanted_at > WHISPER_WITHIN:
        return _("it took too long to bring your line in.")
    seen = Presence.objects.filter(user=session.user, seen_at__gte=now - PAGE_ALIVE_FOR)
    if not seen.exists():
        return _("your page was closed.")
    if not rights_book(session.user).in_teams(teams_of(session.conference)).allow(Role.WHISPER):
        return _("you may no longer whisper here.")
    if audience_of(session.conference) != set(session.audience_seen):
        return _("somebody joined or left in the meantime.")
    return None
