"""Puts calls into a conference, and tells the legs that are Floorline's from its own."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import requests


class CallFlow:
    """The requests of a call flow whose calls Floorline can show and supervise."""

    def __init__(self, *, api_key: str, base: str = "https://api.telnyx.com/v2") -> None:
        self._base = base
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {api_key}"

    def open_conference(self, *, name: str, customer: str) -> str:
        """Create a conference with the customer's answered leg, which ends it by hanging up; return its id."""
        conference = self._post("/conferences", {"name": name, "call_control_id": customer, "beep_enabled": "never"})
        return str(conference["id"])

    def dial_agent(self, *, connection_id: str, to: str, from_number: str, reference: str) -> str:
        """Ring an agent; Floorline recognises the leg by the reference at `agent` in client_state."""
        state = base64.b64encode(json.dumps({"agent": reference}).encode()).decode()
        asked = {"connection_id": connection_id, "to": to, "from": from_number, "client_state": state}
        return str(self._post("/calls", asked)["call_control_id"])

    def join(self, *, conference: str, leg: str) -> None:
        """Let an agent's leg in, after its call.answered."""
        asked = {"call_control_id": leg, "beep_enabled": "never", "end_conference_on_exit": True}
        self._post(f"/conferences/{conference}/actions/join", asked)

    def join_supervisor(self, *, conference: str, leg: str) -> None:
        """Let a supervisor's leg in as one that nobody hears; without a role everybody would hear it."""
        asked = {"call_control_id": leg, "supervisor_role": "monitor", "beep_enabled": "never"}
        self._post(f"/conferences/{conference}/actions/join", asked)

    def _post(self, path: str, asked: dict[str, Any]) -> dict[str, Any]:
        answer = self._session.post(f"{self._base}{path}", json=asked, timeout=10)
        answer.raise_for_status()
        return dict(answer.json()["data"])


def is_floorlines(payload: Mapping[str, Any]) -> bool:
    """Return whether the leg of a webhook is a supervisor's phone that Floorline rings: leave it alone."""
    headers = payload.get("custom_headers") or []
    if any(str(header.get("name")).lower() == "x-floorline-ear" for header in headers):
        return True
    try:
        state = json.loads(base64.b64decode(payload.get("client_state") or ""))
    except ValueError:
        return False
    return isinstance(state, dict) and "floorline_ear" in state
