"""Sends the requests that only the probe needs; kept apart so that the product cannot send them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote
from uuid import UUID, uuid4

from conferences.telnyx.client import Client
from conferences.telnyx.errors import Rejected
from conferences.telnyx.roles import MyLeg

VOICE = "AWS.Polly.Joanna"
RING_SECONDS = 30
# Should this process be killed, Telnyx itself ends the test legs.
LEG_SECONDS = 20 * 60


class ProbeClient(Client):
    """The product's client, and what it takes to build a test conference."""

    def dial_test_leg(self, *, command_id: UUID, connection_id: str, to: str, from_number: str, mark: str) -> MyLeg:
        """Ring a test phone; `mark` is its client_state, by which it is found again and hung up."""
        answer = self._transport.post(
            "/calls",
            {
                "connection_id": connection_id,
                "to": to,
                "from": from_number,
                "timeout_secs": RING_SECONDS,
                "time_limit_secs": LEG_SECONDS,
                "client_state": mark,
                "custom_headers": [{"name": "X-Floorline-Probe", "value": "1"}],
                "command_id": str(command_id),
            },
        )
        return MyLeg(str(answer["data"]["call_control_id"]))

    def create_conference(self, *, leg: MyLeg, name: str, mark: str) -> str:
        """Open the test conference with an answered leg; return its id. All its webhooks carry the mark."""
        # https://developers.telnyx.com/api-reference/conference-commands/create-conference
        body = {
            "call_control_id": leg,
            "name": name,
            "client_state": mark,
            "command_id": str(uuid4()),
            "duration_minutes": 20,
            **self._region,
        }
        return str(UUID(str(self._transport.post("/conferences", body)["data"]["id"])))

    def speak_to(self, *, conference_id: str, leg: MyLeg, words: str) -> None:
        """Speak a text that only one participant shall hear."""
        # https://developers.telnyx.com/api-reference/conference-commands/speak-text-to-conference-participants
        self._transport.post(
            f"/conferences/{UUID(conference_id)}/actions/speak",
            {
                "payload": words,
                "voice": VOICE,
                "language": "en-US",
                "call_control_ids": [leg],
                "command_id": str(uuid4()),
                **self._region,
            },
        )

    def legs_marked(self, *, connection_id: str, mark: str) -> Iterator[MyLeg]:
        """Yield the living legs with this mark, those included whose dial was never answered to us."""
        answer = self._transport.get(f"/connections/{quote(connection_id, safe='')}/active_calls", {"page[limit]": 250})
        for call in answer.get("data") or []:
            if call.get("client_state") == mark:
                yield MyLeg(str(call["call_control_id"]))

    def status_in_region(self, conference_id: str, region: str) -> str:
        """Read the conference as if it lived in another region; return what Telnyx says."""
        try:
            self._transport.get(f"/conferences/{UUID(conference_id)}", {"region": region})
        except Rejected as error:
            return f"{error.status} {error.code}".strip()
        return "200"
