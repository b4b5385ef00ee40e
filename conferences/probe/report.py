"""Writes the report of a probe, question by question."""

from __future__ import annotations

from collections.abc import Iterator

from .findings import Findings, ParticipantReading, Profile
from .walk import OTHER_REGIONS

NOT_TESTED = "not tested by this probe"


def report(findings: Findings, profile: Profile, *, cross_application: bool) -> str:
    """Return the report as plain text."""
    return "\n".join([*_profile(profile), "", *_questions(findings, cross_application), "", *_steps(findings)])


def _profile(profile: Profile) -> Iterator[str]:
    yield "The capability profile"
    yield f"  a running whisper reaches: {profile.whisper_reaches.label}"
    yield f"  a monitor reads back as muted: {_word(profile.monitor_reads_muted)}"
    yield f"  a monitor cuts the sound of the call: {_word(profile.monitor_harms_call)}"


def _questions(findings: Findings, cross_application: bool) -> Iterator[str]:  # noqa: FBT001
    heard, answers = findings.heard, findings.answers
    left = findings.readings.get("leave")
    yield "Open questions"
    yield f"  1 Does monitor silence the others? {_word(_not(_both(findings, 'monitor')))}"
    yield f"  2 update on a leg that is not inside: {answers.get('update outside', 'not reached')}"
    yield f"  3 a repeated command_id: answered {answers.get('repeated', 'not reached')}, {_repeated(findings)}"
    yield f"  4 Is a retried webhook signed anew? {NOT_TESTED}"
    yield f"  5 The reason in conference.ended after actions/end: {NOT_TESTED}"
    regions = ", ".join(f"{region}: {answers.get(f'region {region}', 'not reached')}" for region in OTHER_REGIONS)
    yield f"  6 Reading with another region: {regions}"
    yield f"  7 Are those who left still listed? {_left(left)}"
    yield f"  8 Does a monitor read back as muted? {_word(_muted(findings))}"
    yield f"  9 A whisper whose target has left: the customer hears it: {_heard(findings, 'target left', 'customer')}; "
    yield f"    once the target is back, they hear it: {_heard(findings, 'target back', 'agent')}"
    yield f" 10 A tone when a supervisor leaves: {_word(heard.get('leave: beep'))}"
    yield f" 11 Joining a conference of another application: {_cross(findings, cross_application)}"
    yield f" 12 update takes effect: {_word(_update_works(findings))}"


def _steps(findings: Findings) -> Iterator[str]:
    yield "Step by step (Telnyx' answer; muted, whispering to so many; heard by agent, by customer)"
    for step, answer in findings.answers.items():
        ears = f"{_heard(findings, step, 'agent')}, {_heard(findings, step, 'customer')}"
        yield f"  {step:<28} {answer:<12} {_reading(findings.readings.get(step)):<24} {ears}"


def _reading(reading: ParticipantReading | None) -> str:
    if reading is None:
        return "–"
    if not reading.listed:
        return f"not inside {reading.status}".strip()
    return f"{'muted' if reading.muted else 'unmuted'}, {len(reading.whispers_to)}"


def _repeated(findings: Findings) -> str:
    reading = findings.readings.get("repeated")
    if reading is None or not reading.listed:
        return "effect unknown"
    return "executed again" if reading.whispers_to else "ignored"


def _update_works(findings: Findings) -> bool | None:
    before, after = findings.readings.get("monitor"), findings.readings.get("whisper")
    if before is None or after is None or findings.answers.get("whisper") != "200":
        return None
    return not before.whispers_to and bool(after.whispers_to)


def _muted(findings: Findings) -> bool | None:
    reading = findings.readings.get("monitor")
    return reading.muted if reading is not None and reading.listed else None


def _both(findings: Findings, step: str) -> bool | None:
    ways = [findings.hears(step, "agent", "customer"), findings.hears(step, "customer", "agent")]
    return None if None in ways else all(ways)


def _left(reading: ParticipantReading | None) -> str:
    if reading is None or reading.listed:
        return "not known"
    return "yes, with status left" if reading.status == "left" else "no"


def _cross(findings: Findings, cross_application: bool) -> str:  # noqa: FBT001
    if not cross_application:
        return "not tested; give --other-application"
    return f"answered {findings.answers.get('monitor', 'not reached')}"


def _heard(findings: Findings, step: str, listener: str) -> str:
    return _word(findings.hears(step, listener, "supervisor"))


def _not(value: bool | None) -> bool | None:  # noqa: FBT001
    return None if value is None else not value


def _word(value: bool | None) -> str:  # noqa: FBT001
    return "not known" if value is None else "yes" if value else "no"
