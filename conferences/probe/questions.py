"""Judges the facts of docs/telnyx-facts.md that a probe can tell, each from certain steps of its walk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from .findings import Findings
from .walk import BEFORE_THE_ANSWER, OTHER_REGIONS

Judge = Callable[[Findings], bool | None]


class FactVerdict(StrEnum):
    """The judgement of a probe on a fact that Floorline relies on."""

    VERIFIED = "verified"
    CONTRADICTED = "contradicted"
    COULD_NOT_TELL = "could not tell"


@dataclass(frozen=True, slots=True)
class FactQuestion:
    """One fact, the steps that tell about it, and how they are read: None where they tell nothing."""

    fact: str
    text: str
    steps: tuple[str, ...]
    holds: Judge

    def verdict(self, findings: Findings) -> FactVerdict:
        """Return what these findings say."""
        holds = self.holds(findings)
        if holds is None:
            return FactVerdict.COULD_NOT_TELL
        return FactVerdict.VERIFIED if holds else FactVerdict.CONTRADICTED


def _all(*known: bool | None) -> bool | None:
    """Return whether everything holds; one thing that does not decides, one that is not known leaves it open."""
    if False in known:
        return False
    return None if None in known else True


def _not(known: bool | None) -> bool | None:  # noqa: FBT001
    return None if known is None else not known


def _silent(findings: Findings, step: str) -> bool | None:
    return _all(*(_not(findings.hears(step, listener, "supervisor")) for listener in ("agent", "customer")))


def _loud(findings: Findings, step: str) -> bool | None:
    return _all(*(findings.hears(step, listener, "supervisor") for listener in ("agent", "customer")))


def _muted(findings: Findings, *steps: str) -> bool | None:
    readings = [findings.readings.get(step) for step in steps]
    return _all(*(reading.muted if reading and reading.listed else None for reading in readings))


def _unmuted(findings: Findings, *steps: str) -> bool | None:
    return _all(*(_not(_muted(findings, step)) for step in steps))


def _whispers(findings: Findings, step: str) -> bool | None:
    reading = findings.readings.get(step)
    return bool(reading.whispers_to) if reading and reading.listed else None


def _accepted(findings: Findings, step: str) -> bool | None:
    answer = findings.answers.get(step, "")
    return answer == "200" if answer[:1] in {"2", "4"} else None


def _others_go_on(findings: Findings) -> bool | None:
    pairs = (("agent", "customer"), ("customer", "agent"))
    if not all(findings.hears("call", *pair) for pair in pairs):
        return None  # they did not hear each other before either
    return _all(*(findings.hears("monitor", *pair) for pair in pairs))


def _only_listed(findings: Findings) -> bool | None:
    return _all(
        findings.hears("whisper", "agent", "supervisor"), _not(findings.hears("whisper", "customer", "supervisor"))
    )


def _not_later_ones(findings: Findings) -> bool | None:
    if not findings.hears("later joiner", "agent", "supervisor"):
        return None  # the whisper was not running
    return _not(findings.hears("later joiner", "customer", "supervisor"))


def _is_out(findings: Findings) -> bool | None:
    reading = findings.readings.get("leave")
    return None if reading is None or not _accepted(findings, "leave") else not reading.listed


def _ran_once(findings: Findings) -> bool | None:
    if not _accepted(findings, "first") or not _accepted(findings, "between"):
        return None
    return _all(_accepted(findings, "repeated"), _not(_whispers(findings, "repeated")))


def _parked(findings: Findings) -> bool | None:
    return _accepted(findings, "join whisper") if _accepted(findings, "leave") else None


def _refused_before_the_answer(findings: Findings) -> bool | None:
    answer = findings.answers.get(BEFORE_THE_ANSWER)
    return None if answer is None else answer == "422 90034"


def _elsewhere_unknown(findings: Findings) -> bool | None:
    answers = [_accepted(findings, f"region {region}") for region in OTHER_REGIONS]
    return None if None in answers else not all(answers)


def _spoken_to_one(findings: Findings) -> bool | None:
    return _all(*(findings.heard.get(f"announcement: {party}") for party in ("customer", "agent", "supervisor")))


def _update_works(findings: Findings) -> bool | None:
    if not _accepted(findings, "whisper"):
        return None
    return _all(_not(_whispers(findings, "monitor")), _whispers(findings, "whisper"))


QUESTIONS = (
    FactQuestion("T01", "Nobody hears a monitor.", ("monitor", "monitor again"), lambda f: _silent(f, "monitor")),
    FactQuestion(
        "T02",
        "Customer and agent go on hearing each other while somebody monitors.",
        ("call", "monitor"),
        _others_go_on,
    ),
    FactQuestion(
        "T03",
        "A monitor reads back as muted, and whoever may be heard does not.",
        ("monitor", "monitor again", "barge", "none"),
        lambda f: _all(_muted(f, "monitor", "monitor again"), _unmuted(f, "barge", "none")),
    ),
    FactQuestion("T04", "A whisper reaches only the legs that it names.", ("whisper",), _only_listed),
    FactQuestion(
        "T05",
        "Somebody who joins later does not hear a running whisper.",
        ("whisper without customer", "customer in", "later joiner"),
        _not_later_ones,
    ),
    FactQuestion(
        "T06",
        "A whisper whose target has left reaches nobody else.",
        ("agent out", "target left"),
        lambda f: _not(f.hears("target left", "customer", "supervisor")),
    ),
    FactQuestion(
        "T07",
        "Barge and none are heard by everybody.",
        ("barge", "none"),
        lambda f: _all(_loud(f, "barge"), _loud(f, "none")),
    ),
    FactQuestion("T08", "A change of role that was accepted is read back.", ("monitor", "whisper"), _update_works),
    FactQuestion(
        "T10",
        "A leg that joins has the role of the join at once.",
        ("join whisper", "join monitor"),
        lambda f: _all(_whispers(f, "join whisper"), _not(_whispers(f, "join monitor"))),
    ),
    FactQuestion("T11", "A leg that leaves stays connected, and may join again.", ("leave", "join whisper"), _parked),
    FactQuestion(
        "T12",
        "A change of role for a leg that is not inside is refused.",
        ("update outside",),
        lambda f: _not(_accepted(f, "update outside")),
    ),
    FactQuestion("T13", "Who has left is not listed as being inside.", ("leave",), _is_out),
    FactQuestion(
        "T14", "No tone tells that a supervisor leaves.", ("leave",), lambda f: _not(f.heard.get("leave: beep"))
    ),
    FactQuestion(
        "T15",
        "A leg of one application may join a conference of another.",
        ("monitor",),
        lambda f: _accepted(f, "monitor") if f.other_application else None,
    ),
    FactQuestion(
        "T16",
        "Words for one participant are heard by no other.",
        ("speak to customer", "speak to agent", "speak to supervisor"),
        _spoken_to_one,
    ),
    FactQuestion(
        "T17",
        "A leg that was not answered may not join: 422, 90034.",
        ("create", "agent in"),
        _refused_before_the_answer,
    ),
    FactQuestion(
        "T18", "A command that comes twice with one command_id runs once.", ("first", "between", "repeated"), _ran_once
    ),
    FactQuestion(
        "T27",
        "A conference is not found in a region that is not its own.",
        tuple(f"region {region}" for region in OTHER_REGIONS),
        _elsewhere_unknown,
    ),
    FactQuestion(
        "T29",
        "A webhook is signed with the account's key, over its time and its bytes.",
        (),
        lambda f: True if f.webhooks else None,
    ),
)
