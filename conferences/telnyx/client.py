"""Calls the Telnyx Voice API: a closed set of typed requests.

What must never be sent cannot be written down here: a role without its name, a whisper without listeners, a command
for a leg that is not an ear, `none` as a way to stop. Commands are never repeated by a library: whoever sends one
learns whether Telnyx answered, refused, or left the outcome open.

API reference: https://developers.telnyx.com/api-reference/conference-commands/update-conference-participant
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Literal
from urllib.parse import quote
from uuid import UUID

from .errors import Unanswered
from .inbound import CLIENT_STATE_LIMIT, clean_text
from .reads import (
    CallRead,
    ConferencePage,
    ConferenceRead,
    DeliveryPage,
    ParticipantRead,
    conference_read,
    participant_read,
)
from .roles import MyLeg, SupervisorRole, role_fields
from .transport import COMMAND_READ_SECONDS, READ_SECONDS, Exchange, Session, Transport, mapping

LONGEST_LEG_SECONDS = 4 * 60 * 60  # https://developers.telnyx.com: time_limit_secs, default and maximum


class Client:
    """One account's connection to Telnyx. Threads may share it."""

    def __init__(
        self,
        *,
        api_base: str,
        api_key: str,
        region: str = "",
        session: Session | None = None,
        record: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._transport = Transport(api_base=api_base, api_key=api_key, session=session, record=record)
        self._region = {"region": region} if region else {}

    # --- the supervisor's own leg -------------------------------------------------------------------------------------

    def dial(
        self, *, command_id: UUID, connection_id: str, to: str, from_number: str, webhook_url: str, client_state: str
    ) -> MyLeg:
        """Ring a supervisor's line on the ear application; the answer is the new leg."""
        answer = self._transport.post(
            "/calls",
            {
                "connection_id": connection_id,
                "to": to,
                "from": from_number,
                "timeout_secs": 30,
                "time_limit_secs": LONGEST_LEG_SECONDS,
                # Parked between conferences it is sent nothing, and networks drop a line that stays without media.
                "send_silence_when_idle": True,
                "client_state": client_state,
                "custom_headers": [{"name": "X-Floorline-Ear", "value": "1"}],
                "webhook_url": webhook_url,
                "command_id": str(command_id),
            },
        )
        leg = clean_text(mapping(answer.get("data")).get("call_control_id"), limit=200)
        if not leg:
            raise Unanswered("Telnyx accepted the dial but named no leg")
        return MyLeg(leg)

    def gather(self, *, command_id: UUID, my_leg: MyLeg, prompt: str) -> None:
        """Ask the person at the phone to press 1, so that a mailbox never gets into a conference."""
        self._transport.post(
            f"/calls/{_segment(my_leg)}/actions/gather_using_speak",
            {
                "payload": prompt,
                "voice": "female",
                "language": "en-US",
                "valid_digits": "1",
                "minimum_digits": 1,
                "maximum_digits": 1,
                "maximum_tries": 3,
                "timeout_millis": 6000,
                "command_id": str(command_id),
            },
        )

    def join(self, *, command_id: UUID, conference_id: str, my_leg: MyLeg, role: SupervisorRole) -> None:
        """Bring the supervisor's leg in: its role said, without a beep, and never as the one whose exit ends it."""
        self._transport.post(
            f"/conferences/{_conference(conference_id)}/actions/join",
            {
                "call_control_id": my_leg,
                **role_fields(role),
                "beep_enabled": "never",
                "end_conference_on_exit": False,
                "soft_end_conference_on_exit": False,
                "command_id": str(command_id),
                **self._region,
            },
        )

    # `patience` is how many seconds to wait for the answer before the caller asks again.

    def set_role(
        self,
        *,
        command_id: UUID,
        conference_id: str,
        my_leg: MyLeg,
        role: SupervisorRole,
        patience: float = COMMAND_READ_SECONDS,
    ) -> None:
        """Change what the supervisor's leg hears and who hears it."""
        self._transport.post(
            f"/conferences/{_conference(conference_id)}/actions/update",
            {"call_control_id": my_leg, **role_fields(role), "command_id": str(command_id), **self._region},
            patience=patience,
        )

    def leave(
        self, *, command_id: UUID, conference_id: str, my_leg: MyLeg, patience: float = COMMAND_READ_SECONDS
    ) -> None:
        """Take the supervisor's leg out; it stays connected, parked."""
        self._transport.post(
            f"/conferences/{_conference(conference_id)}/actions/leave",
            {"call_control_id": my_leg, "beep_enabled": "never", "command_id": str(command_id), **self._region},
            patience=patience,
        )

    def hangup(self, *, command_id: UUID, my_leg: MyLeg, patience: float = COMMAND_READ_SECONDS) -> None:
        """Hang up the supervisor's own leg."""
        self._transport.post(
            f"/calls/{_segment(my_leg)}/actions/hangup", {"command_id": str(command_id)}, patience=patience
        )

    # --- reads --------------------------------------------------------------------------------------------------------

    def conference_pages(self, status: Literal["in_progress", "completed"]) -> Iterator[ConferencePage]:
        """Yield pages of conferences, the newest first; each page is one request, sent when it is asked for."""
        for items, last in self._transport.pages("/conferences", {"filter[status]": status, **self._region}):
            yield ConferencePage([conference_read(item) for item in items], last)

    def conference(self, conference_id: str) -> ConferenceRead:
        """Read one conference. Raises Rejected (404) where Telnyx does not know it, or not in this region."""
        answer = self._transport.get(f"/conferences/{_conference(conference_id)}", self._region)
        read = conference_read(mapping(answer.get("data")))
        if read.id != _conference(conference_id):
            raise Unanswered("the answer is not about this conference")
        return read

    def participants(
        self, conference_id: str, *, with_left: bool = False, patience: float = READ_SECONDS
    ) -> list[ParticipantRead]:
        """Read who is in a conference, and where asked for, who of those who left Telnyx still names."""
        path = f"/conferences/{_conference(conference_id)}/participants"
        pages = self._transport.pages(path, self._region, patience=patience)
        named = [participant_read(item) for items, _ in pages for item in items]
        return [read for read in named if read.call_control_id and (with_left or read.status != "left")]

    def call(self, call_control_id: str, *, patience: float = READ_SECONDS) -> CallRead:
        """Read whether a call is alive. Raises Unanswered where the answer does not say."""
        data = mapping(self._transport.get(f"/calls/{_segment(call_control_id)}", {}, patience=patience).get("data"))
        alive = data.get("is_alive")
        if not isinstance(alive, bool):
            raise Unanswered("the answer does not say whether the call is alive")
        state = clean_text(data.get("client_state"), limit=CLIENT_STATE_LIMIT)
        return CallRead(call_control_id=call_control_id, is_alive=alive, client_state=state)

    def failed_deliveries(self, *, since: datetime) -> Iterator[DeliveryPage]:
        """Yield pages of webhooks, begun since then, that Telnyx has given up delivering.

        They may be of any product and application of the account. Each page is one request, sent when it is asked for.
        https://developers.telnyx.com/api-reference/webhooks/list-webhook-deliveries
        """
        query = {"filter[status][eq]": "failed", "filter[started_at][gte]": since.isoformat()}
        for items, last in self._transport.pages("/webhook_deliveries", query):
            yield DeliveryPage([mapping(item.get("webhook")) for item in items], last)

    @property
    def may_read(self) -> bool:
        """Return whether half of Telnyx' rate limit is left: the other half is the call flow's, and our commands'."""
        return self._transport.may_read


def _segment(value: str) -> str:
    return quote(value, safe=":")


def _conference(value: str) -> str:
    """Return the id for a path. Names are refused: Telnyx reuses them, so a command could hit the wrong conference."""
    return str(UUID(value))
