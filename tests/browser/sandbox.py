"""The sandbox's control API, as these tests order a floor from it and ask it who hears whom."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.tooling.processes import eventually

KIMS_PHONE = "sip:kim@sip.telnyx.com"
UPDATE = "/conferences/*/actions/update"


@dataclass(frozen=True, slots=True)
class Scripted:
    """A live conference that stays until a test says otherwise."""

    id: str
    name: str
    legs: dict[str, str]
    """call_control_ids by the label of the leg: an agent's name, a customer's number."""


@dataclass
class Sandbox:
    """The knowledge and the acts of the other side of Telnyx."""

    url: str
    conferences: list[str] = field(default_factory=list)
    callers: list[str] = field(default_factory=list)
    """Those who were let wait in a queue."""
    told: int = 0
    """The number of the last webhook that Floorline is known to have taken, with all before it."""

    def ask(self, path: str, /, **query: str | int) -> dict[str, Any]:
        return self._send("GET", f"{path}?{urllib.parse.urlencode(query)}")

    def order(self, path: str, /, **body: object) -> dict[str, Any]:
        return self._send("POST", path, body)

    def script(
        self,
        name: str,
        *,
        agents: Sequence[str] = ("Ana Ruiz",),
        customer: str = "+4930123456142",
        team: str = "Billing",
    ) -> Scripted:
        """Open a conference of a customer and these agents."""
        made = self.order("/calls", name=name, agents=list(agents), customer=customer, team=team)
        self.conferences.append(made["conference"]["id"])
        legs = {leg["label"]: leg["call_control_id"] for leg in made["legs"]}
        return Scripted(id=made["conference"]["id"], name=name, legs=legs)

    def join(self, conference: Scripted, **who: str) -> str:
        """Bring an agent, a customer or a stranger in; return the new leg's call_control_id."""
        return str(self.order(f"/conferences/{conference.id}/join", **who)["call_control_id"])

    def wait(self, customer: str, *, team: str = "Billing") -> str:
        """Let somebody wait in a team's queue; return their call_control_id."""
        self.callers.append(str(self.order("/waiting", customer=customer, team=team)["call_control_id"]))
        return self.callers[-1]

    def end(self, conference: Scripted, *, how: str = "api") -> None:
        self.order(f"/conferences/{conference.id}/end", how=how)

    def act(self, leg: str, act: str, **body: str) -> None:
        """Let a leg hang up, hold, unhold, press a key or speak."""
        self.order(f"/legs/{urllib.parse.quote(leg)}/{act}", **body)

    def fault(self, path: str = UPDATE, /, **fault: object) -> None:
        self.order("/faults", method="POST", path=path, **fault)

    def present(self, conference: Scripted) -> set[str]:
        """Return the labels of everyone in a conference."""
        return {person["label"] for person in self.ask("/matrix", conference=conference.id)["participants"]}

    def hearing(self, conference: Scripted, *, speaker: str = "Kim’s desk phone") -> set[str] | None:
        """Return the labels of those who hear somebody; None where that somebody is not in the conference."""
        people = self.ask("/matrix", conference=conference.id)["participants"]
        labels = {person["call_control_id"]: person["label"] for person in people}
        for person in people:
            if person["label"] == speaker:
                return {labels[listener] for listener in person["heard_by"]}
        return None

    def requests(self, *, since: int = 0) -> list[dict[str, Any]]:
        return list(self.ask("/requests", since=since)["requests"])

    def newest_request(self) -> int:
        return max((entry["n"] for entry in self.requests()), default=0)

    def tell(self) -> None:
        """Wait until Floorline has taken every webhook that was sent: they come in any order, one by one.

        Where it does not take them, the test sees that by itself.
        """
        newest = self.told

        def is_told() -> bool:
            nonlocal newest
            sent = self.ask("/webhooks", since=self.told)["webhooks"]
            newest = max([newest, *(webhook["n"] for webhook in sent)])
            return all(webhook["last_status"] == 200 for webhook in sent)

        eventually(is_told, within=10, pause=0.02)
        self.told = newest

    def clear(self) -> None:
        """End what the test opened, and let everything work again."""
        self._send("DELETE", "/faults")
        self.order("/phones", address=KIMS_PHONE, behaviour="answers")
        for conference in self.conferences:
            self.order(f"/conferences/{conference}/end", how="api")
            self.order(f"/conferences/{conference}/end", how="hangup")
        for caller in self.callers:
            with suppress(AssertionError):  # may have hung up already
                self.act(caller, "hangup")
        self.conferences.clear()
        self.callers.clear()
        self.tell()

    def _send(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/sandbox{path}", data=data, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10) as response:
                answer: dict[str, Any] = json.loads(response.read())
                return answer
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from error
