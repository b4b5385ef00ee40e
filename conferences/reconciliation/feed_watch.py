"""Watches whether an account's webhooks still arrive, and reports a feed that stopped.

A feed has stopped when a reading shows what no webhook told within fifteen seconds, and none came since; or when
nothing comes and Telnyx' API does not answer either. A quiet floor is not stopped. The feed runs again once webhooks
come, or once Telnyx answers where only its silence showed the stop; what was missed meanwhile is compared before the
account counts as live (conferences.reconciliation.outage).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models.functions import Coalesce, Least

from conferences.changes import board_change
from conferences.models import Account, Conference, Participant
from conferences.models.account import Feed
from conferences.projection.registers import READING, Facts, moment, text
from conferences.telnyx.reads import ConferenceRead

TOLD_WITHIN = timedelta(seconds=15)
SEEN_FOR = timedelta(seconds=3)  # a webhook about what has just been read may be under way, whatever its age
UNDER_WAY = timedelta(seconds=2)  # so late a webhook may come that was sent before the feed stopped
UNANSWERED_FOR = timedelta(seconds=5)
PROOF_EVERY = timedelta(seconds=4)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sight:
    """Something that a reading showed: when it happened, and from when on a webhook should have told it."""

    happened_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class FeedStop:
    """Since when webhooks have not come, and whether nothing shows it but that Telnyx does not answer either."""

    since: datetime
    only_unanswered: bool


class FeedWatch:
    """One account's feed. What was there when this process began is no evidence: somebody else may have been told."""

    def __init__(self, account: Account, *, now: datetime) -> None:
        self._account = account
        self._began_at = now
        self._listed_once = False
        self._sights: dict[tuple[str, Any], Sight] = {}
        self._unanswered_since: datetime | None = None
        self._answered_at = now
        self._has_answered = False
        self._looking = threading.Lock()

    # --- what the comparison tells ------------------------------------------------------------------------------------

    def begin_request(self, now: datetime) -> datetime | None:
        """Note that a request is being sent. Return since when Telnyx has owed an answer, for `cancel_request`."""
        before = self._unanswered_since
        self._unanswered_since = before or now
        return before

    def cancel_request(self, before: datetime | None) -> None:
        """Take back what `begin_request` noted, where no request was sent after all."""
        self._unanswered_since = before

    def answered(self, now: datetime) -> None:
        """Note that Telnyx answered."""
        self._unanswered_since, self._answered_at, self._has_answered = None, now, True

    def wants_proof(self, now: datetime) -> bool:
        """Return whether Telnyx should be asked something, only to see whether it answers."""
        return now - self._answered_at >= PROOF_EVERY

    def unknown(self, reads: Iterable[ConferenceRead]) -> list[ConferenceRead]:
        """Return the live conferences of a listing that nobody told of yet; to be asked before they are noted."""
        live = {read.id: read for read in reads if read.id and not read.ended}
        known = Conference.objects.filter(account=self._account, telnyx_id__in=live).values_list("telnyx_id", flat=True)
        return [live[key] for key in live.keys() - set(known)] if self._listed_once else []

    def note_calls(self, reads: Iterable[ConferenceRead], *, at: datetime) -> None:
        """Note conferences that a listing named first."""
        for read in reads:
            self._note_sight("call", read.id, happened_at=min(read.created_at or at, at), at=at)

    def note_listing(self) -> None:
        """Note that a listing is complete: from now on a new call is one that has begun since."""
        self._listed_once = True

    def note_participants(self, conference: Conference, *, before: datetime | None, at: datetime) -> None:
        """Note who joined or left since the reading `before`, by this one alone."""
        if before is None or before < self._began_at:
            return
        for participant in Participant.objects.filter(conference=conference):
            if (
                participant.present
                and moment(participant.facts, "listed") == at
                and "presence" not in participant.facts
            ):
                self._note_sight("participant", participant.pk, happened_at=participant.joined_at or at, at=at)
            elif not participant.present and participant.gone_at == at:
                self._note_sight("participant", participant.pk, happened_at=at, at=at)

    def note_end(self, telnyx_id: str, *, at: datetime) -> None:
        """Note a conference that a reading ended."""
        self._note_sight("end", telnyx_id, happened_at=at, at=at)

    def _note_sight(self, kind: str, key: Any, *, happened_at: datetime, at: datetime) -> None:
        due_at = max(happened_at + TOLD_WITHIN, at + SEEN_FOR)
        self._sights.setdefault((kind, key), Sight(happened_at, due_at))

    # --- the verdict --------------------------------------------------------------------------------------------------

    def look(self, now: datetime) -> None:
        """Store on the account whether its feed has stopped; called from any thread, also while a request hangs."""
        if not self._looking.acquire(blocking=False):
            return
        try:
            columns = ("feed", "heard_at", "feed_stopped_since", "feed_only_unanswered")
            account = Account.objects.only(*columns).get(pk=self._account.pk)
            if account.feed_stopped_since is None:
                stop = None if account.feed == Feed.POLLING else self._stop(account.heard_at, now)
                if stop is not None:
                    self._store_feed(now, feed_stopped_since=stop.since, feed_only_unanswered=stop.only_unanswered)
            elif account.feed == Feed.POLLING or self._runs_again(account, now):
                self._store_feed(now, feed_stopped_since=None, feed_only_unanswered=False, feed_resumed_at=now)
        finally:
            self._looking.release()

    def _stop(self, heard_at: datetime | None, now: datetime) -> FeedStop | None:
        """Return since when the feed has stopped, and why; None where it runs."""
        unanswered = self._unanswered_since
        quiet = heard_at is None or now - heard_at >= UNANSWERED_FOR
        for key, sight in self._due(now):
            self._sights.pop(key, None)
            if (heard_at is None or heard_at <= sight.happened_at + UNDER_WAY) and self._is_untold(*key):
                return FeedStop(max(sight.happened_at, heard_at or sight.happened_at), only_unanswered=False)
        if quiet and unanswered is not None and now - unanswered >= UNANSWERED_FOR:
            return FeedStop(max(unanswered, heard_at or unanswered), only_unanswered=True)
        return None

    def _runs_again(self, account: Account, now: datetime) -> bool:
        heard_at, since = account.heard_at, account.feed_stopped_since
        if heard_at is not None and since is not None and heard_at > since:
            self._sights.clear()
            return True
        if not account.feed_only_unanswered or not self._has_answered or self._unanswered_since is not None:
            return False
        # Telnyx answers again; unless something shows that webhooks are missing, that was all.
        for key, _sight in self._due(now):
            if self._is_untold(*key):
                Account.objects.filter(pk=self._account.pk).update(feed_only_unanswered=False)
                return False
            self._sights.pop(key, None)
        return not self._sights

    def _due(self, now: datetime) -> list[tuple[tuple[str, Any], Sight]]:
        # Copied at once: the thread that reads may add to them meanwhile.
        return [(key, sight) for key, sight in list(self._sights.items()) if sight.due_at <= now]

    def _is_untold(self, kind: str, key: Any) -> bool:
        if kind == "participant":
            participant = Participant.objects.select_related("leg", "conference").filter(pk=key).first()
            return participant is not None and _participant_is_untold(participant)
        conference = Conference.objects.filter(account=self._account, telnyx_id=key).first()
        if conference is None:
            return False
        if kind == "call":
            return conference.ended_at is None and not (
                _came_by_event(conference.facts) or conference.participants.filter(facts__has_key="presence").exists()
            )
        participants = conference.participants.select_related("leg")
        return not (
            _came_by_event({"ended": conference.facts.get("ended", ["", None])})
            or any(
                text(participant.facts, "presence") == "left" or participant.leg.hung_up_at
                for participant in participants
            )
        )

    def _store_feed(self, now: datetime, *, feed_stopped_since: datetime | None, **fields: datetime | bool) -> None:
        """Show it on every open page, and derive the reasons of every call of the account again."""
        if (since := feed_stopped_since) is not None:
            logger.warning("webhooks of account %s have stopped since %s", self._account.pk, since)
        with board_change(now=now) as change:
            rows = Account.objects.filter(pk=self._account.pk)
            rows.update(feed_stopped_since=since, **fields)
            if since is not None:
                # The last comparison does not know either what was missed before the stop was noticed.
                rows.filter(unsure_since=None).update(unsure_since=Least(since, Coalesce("checked_at", since)))
            live = Conference.objects.filter(account=self._account, ended_at=None)
            live.update(version=change.version)


def _participant_is_untold(participant: Participant) -> bool:
    if participant.present:
        return "presence" not in participant.facts
    if text(participant.facts, "presence") == "left" or participant.leg.hung_up_at is not None:
        return False
    facts: Facts = participant.conference.facts
    return "ended" not in facts or not _came_by_event({"ended": facts["ended"]})


def _came_by_event(facts: Facts) -> bool:
    """Return whether any of these registers came from an event."""
    return any(register[0] and not str(register[0]).endswith(f" {READING}") for register in facts.values())
