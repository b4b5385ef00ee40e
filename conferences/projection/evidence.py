"""Collects the evidence behind a row: the webhook that reported it, and the reading that confirmed it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from conferences.models import Conference, Participant

from .registers import READING, Facts, moment


class Source(Enum):
    WEBHOOK = "webhook"
    READING = "reading"


@dataclass(frozen=True, slots=True)
class Evidence:
    """For the desk: "joined by webhook 12:00:01, last checked 12:03:10"."""

    source: Source
    at: datetime
    confirmed_at: datetime | None
    missing_since: datetime | None = None

    @property
    def contested(self) -> bool:
        """Return whether Telnyx' newest listing does not name the row, though nothing says that it has gone."""
        return self.missing_since is not None


def of_participant(participant: Participant) -> Evidence | None:
    """Return why somebody is shown as present, or as having left; None where nothing is known."""
    told_at, facts = moment(participant.facts, "presence"), participant.facts
    if (
        participant.present
        and participant.listed_at is not None
        and (told_at is None or facts["presence"][1] == "left")
    ):
        return Evidence(
            Source.READING,
            moment(facts, "listed") or participant.listed_at,
            participant.listed_at,
            participant.missing_since,
        )
    if (
        not participant.present
        and participant.gone_at is not None
        and (told_at is None or participant.gone_at > told_at)
    ):
        return Evidence(Source.READING, participant.gone_at, participant.gone_at)
    if told_at is None:
        return None
    return Evidence(
        Source.WEBHOOK, told_at, participant.listed_at, participant.missing_since if participant.present else None
    )


def of_conference(conference: Conference) -> Evidence | None:
    """Return why a conference is shown as live, or as ended; None where nothing is known."""
    facts: Facts = conference.facts
    ended = conference.ended_at is not None
    # Not "created": a listing tells that time too, of a conference that webhooks had made known long before.
    at, told = (conference.ended_at, "ended") if ended else (conference.started_at, "seen")
    if at is None or told not in facts:
        return None
    source = Source.READING if str(facts[told][0]).endswith(f" {READING}") else Source.WEBHOOK
    return Evidence(source, at, conference.read_at, None if ended else conference.missing_since)
