"""Runs the probe: three test phones, one test conference, every change of role.

Nothing but the legs that the probe dialled itself is ever named in a request; all of them are hung up at the end,
whatever happened, and found again by their mark where an answer got lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID, uuid4

from conferences.recognition.probes import client_state_of_probe, name_of_probe
from conferences.telnyx.errors import Rejected, Unanswered
from conferences.telnyx.roles import Barge, Monitor, RoleNone, SupervisorRole, Whisper

from .capture import Capture
from .client import ProbeClient
from .findings import Findings, ParticipantReading
from .legs import PARTIES, Party, ProbeFailed, ProbePhones, TestLegs, in_short

ANSWER_SECONDS = 45
READ_AFTER = 1.5
OTHER_REGIONS = ("Europe", "US")
BEFORE_THE_ANSWER = "before the answer"


@dataclass(frozen=True, slots=True)
class Question:
    """Does `listener` hear what is said into `speaker`'s phone? Or another question that only an ear can answer."""

    key: str
    text: str
    listener: Party | None = None
    speaker: Party | None = None


class Probe:
    """One walk. `ask` returns what the operator heard, None where they cannot say; `pause` waits so many seconds."""

    def __init__(
        self,
        *,
        client: ProbeClient,
        phones: ProbePhones,
        say: Callable[[str], None],
        ask: Callable[[Question], bool | None],
        pause: Callable[[float], None],
        capture: Capture,
    ) -> None:
        self.findings = Findings(other_application=bool(phones.other_connection_id))
        self._client, self._capture = client, capture
        self._say, self._ask, self._pause = say, ask, pause
        self._conference = ""
        self._run = uuid4().hex[:8]
        self._legs = TestLegs(client=client, phones=phones, run=self._run, capture=capture)

    def run(self) -> Findings:
        """Walk, and hang up. Raises ProbeFailed with a sentence where there is nothing to conclude."""
        try:
            self._call()
            self._supervise()
            self._rejoin()
            self._oddities()
            self._legs.all_alive()
        finally:
            self._say("Hanging up all three phones.")
            self._capture.step = "hang up"
            left = self._legs.hang_up_all(pause=self._pause)
            if left:
                self._say(
                    f"{left} of the test calls may still be up. Hang up the phones by hand; Telnyx ends them after "
                    "20 minutes at the latest."
                )
        return self.findings

    # --- the parts of the walk ----------------------------------------------------------------------------------------

    def _call(self) -> None:
        """Bring customer and agent together, and make sure that the phones are the right ones."""
        for party in PARTIES:
            self._say(f"Ringing the {party}'s phone. Please answer it.")
            self._legs.dial(party)
        created = self._once_answered("customer", self._create)
        if not created:
            raise ProbeFailed(f"Telnyx did not open the test conference ({self.findings.answers['create']}).")
        self._bring_in("agent")
        self._announce("customer")
        self._announce("agent")
        self._listen("call", ("agent", "customer"), ("customer", "agent"))

    def _supervise(self) -> None:
        """Change the role of a line that is inside, by `update`."""
        if not self._enter("supervisor", role=Monitor(), step="monitor"):
            raise ProbeFailed(f"The supervisor's line could not join ({self.findings.answers['monitor']}).")
        self._announce("supervisor")
        self._read("monitor")
        self._listen("monitor", ("supervisor", "customer"), ("agent", "customer"), ("customer", "agent"))
        self._voices("monitor")
        self._change("whisper", self._whisper())
        self._change("barge", Barge())
        self._change("none", RoleNone())
        self._change("monitor again", Monitor())
        self._later_joiner()
        self._target_leaves()

    def _later_joiner(self) -> None:
        """Let the customer come in while a whisper is running."""
        self._send("customer out", lambda: self._leave("customer"))
        self._send("whisper without customer", lambda: self._update(self._whisper()))
        self._bring_in("customer")
        self._read("later joiner")
        self._voices("later joiner")

    def _target_leaves(self) -> None:
        """Let the one who is whispered to go, and come back."""
        self._send("agent out", lambda: self._leave("agent"))
        self._read("target left")
        self._listen("target left", ("customer", "supervisor"))
        self._bring_in("agent")
        self._read("target back")
        self._listen("target back", ("agent", "supervisor"))

    def _rejoin(self) -> None:
        """Leave, and join anew in each role; and what `update` does to a line that is not inside."""
        self._out("leave")
        self._question("leave: beep", "Did the agent's or the customer's phone hear a tone when the supervisor left?")
        self._send("update outside", lambda: self._update(Monitor()))
        self._read("update outside")
        roles: dict[str, SupervisorRole] = {"whisper": self._whisper(), "barge": Barge(), "none": RoleNone()}
        for name, role in roles.items():
            step = f"join {name}"
            self._enter("supervisor", role=role, step=step)
            self._read(step)
            self._voices(step)
            self._out(f"leave after {step}")
        self._enter("supervisor", role=Monitor(), step="join monitor")
        self._read("join monitor")

    def _oddities(self) -> None:
        """Try what repeats, what is asked for in the wrong place, and what the list still names."""
        twice = uuid4()
        self._send("first", lambda: self._update(self._whisper(), command_id=twice))
        self._send("between", lambda: self._update(Monitor()))
        self._send("repeated", lambda: self._update(self._whisper(), command_id=twice))
        self._read("repeated")
        for region in OTHER_REGIONS:
            self._note(f"region {region}", partial(self._client.status_in_region, self._conference, region))
        self._out("leave at the end")

    # --- steps --------------------------------------------------------------------------------------------------------

    def _create(self) -> None:
        name = name_of_probe(self._run)
        self._capture.name(name, "the conference's name")
        self._conference = self._client.create_conference(
            leg=self._legs["customer"], name=name, mark=client_state_of_probe(self._run)
        )
        self._capture.name_conference(self._conference)

    def _bring_in(self, party: Party) -> None:
        step = f"{party} in"
        if not self._enter(party, step=step):
            raise ProbeFailed(f"The {party}'s phone could not join the conference ({self.findings.answers[step]}).")

    def _enter(self, party: Party, *, role: SupervisorRole | None = None, step: str) -> bool:
        def join() -> None:
            self._client.join(
                command_id=uuid4(), conference_id=self._conference, my_leg=self._legs[party], role=role or RoleNone()
            )

        return self._once_answered(party, join, step=step)

    def _once_answered(self, party: Party, do: Callable[[], None], *, step: str = "create") -> bool:
        """Try until the phone has been answered, because Telnyx refuses a join before; return whether it was."""
        for _second in range(ANSWER_SECONDS):
            if self._send(step, do):
                return True
            if not self.findings.answers[step].endswith("90034"):
                return False
            self.findings.answers[BEFORE_THE_ANSWER] = self.findings.answers[step]
            self._pause(1)
        raise ProbeFailed(f"The {party}'s phone was not answered.")

    def _change(self, step: str, role: SupervisorRole) -> None:
        self._send(step, lambda: self._update(role))
        self._read(step)
        self._voices(step)

    def _out(self, step: str) -> None:
        self._send(step, lambda: self._leave("supervisor"))
        self._read(step)

    def _update(self, role: SupervisorRole, *, command_id: UUID | None = None) -> None:
        self._client.set_role(
            command_id=command_id or uuid4(),
            conference_id=self._conference,
            my_leg=self._legs["supervisor"],
            role=role,
        )

    def _leave(self, party: Party) -> None:
        self._client.leave(command_id=uuid4(), conference_id=self._conference, my_leg=self._legs[party])

    def _whisper(self) -> Whisper:
        return Whisper(self._legs["agent"])

    def _send(self, step: str, do: Callable[[], None]) -> bool:
        """Send one command and note what Telnyx answered; return whether it accepted."""

        def sent() -> str:
            do()
            return "200"

        self._note(step, sent)
        return self.findings.answers[step] == "200"

    def _note(self, step: str, do: Callable[[], str]) -> None:
        self._capture.step = step
        try:
            self.findings.answers[step] = do()
        except (Rejected, Unanswered) as error:
            self.findings.answers[step] = in_short(error)

    def _read(self, step: str) -> None:
        self._pause(READ_AFTER)
        self._capture.step = step
        mine = self._legs["supervisor"]
        try:
            listed = [
                read
                for read in self._client.participants(self._conference, with_left=True)
                if read.call_control_id == mine
            ]
        except (Rejected, Unanswered):
            return
        inside = next((read for read in listed if read.status != "left"), None)
        if inside is None:
            self.findings.readings[step] = ParticipantReading(listed=False, status="left" if listed else "")
        else:
            self.findings.readings[step] = ParticipantReading(
                listed=True,
                muted=inside.muted,
                whispers_to=inside.whisper_call_control_ids,
                status=inside.status,
            )

    # --- ears ---------------------------------------------------------------------------------------------------------

    def _announce(self, party: Party) -> None:
        words = f"This is Floorline's test. You are on the {party}'s phone."
        spoken = self._send(
            f"speak to {party}",
            lambda: self._client.speak_to(conference_id=self._conference, leg=self._legs[party], words=words),
        )
        if spoken:
            text = f"Did the {party}'s phone, and no other, hear: “{words}”?"
            self._question(f"announcement: {party}", text)

    def _voices(self, step: str) -> None:
        self._listen(step, ("agent", "supervisor"), ("customer", "supervisor"))

    def _listen(self, step: str, *pairs: tuple[Party, Party]) -> None:
        for listener, speaker in pairs:
            key = f"{step}: {listener} hears {speaker}"
            text = f"[{step}] Speak into the {speaker}'s phone. Does the {listener}'s phone hear it?"
            heard = self._ask(Question(key, text, listener, speaker))
            self.findings.heard[key] = heard
            self._capture.step = step
            self._capture.note_heard(listener=listener, speaker=speaker, heard=heard)

    def _question(self, key: str, text: str) -> None:
        heard = self._ask(Question(key, text))
        self.findings.heard[key] = heard
        self._capture.note_asked(key, heard=heard)
