"""Writes the report of a probe for other eyes: for each fact what was sent, answered, read back and heard.

It is made of the capture's redacted lines, so nothing else can get into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .capture import Line
from .findings import Findings, Profile
from .questions import QUESTIONS, FactQuestion, FactVerdict

# The same in every request, or of no meaning for a reader.
NOT_TOLD = frozenset(
    {
        "command_id", "client_state", "custom_headers", "timeout_secs", "time_limit_secs", "duration_minutes", "voice",
        "language", "beep_enabled", "end_conference_on_exit", "soft_end_conference_on_exit", "region",
    }
)  # fmt: skip
SUPERVISOR = "the supervisor's leg"
HEADINGS = {"contradicted": "Contradicted", "could not tell": "Could not tell", "verified": "Verified"}


@dataclass(frozen=True, slots=True)
class StepTold:
    """One step of the walk, in the words of the report."""

    step: str
    sent: tuple[str, ...]
    answered: tuple[str, ...]
    read_back: str
    heard: tuple[str, ...]


def as_data(
    lines: Sequence[Line], findings: Findings, profile: Profile, *, failed: str = "", telnyx: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the report as JSON holds it; where the probe broke off, no fact is judged."""
    return {
        "telnyx": telnyx,
        "broke_off": failed,
        "webhooks": findings.webhooks,
        "profile": {
            "whisper_reaches": str(profile.whisper_reaches),
            "monitor_reads_muted": profile.monitor_reads_muted,
            "monitor_harms_call": profile.monitor_harms_call,
        },
        "facts": [_fact(question, lines, findings, failed=bool(failed)) for question in QUESTIONS],
    }


def as_markdown(data: Mapping[str, Any]) -> str:
    """Return the report as a page."""
    return "\n".join([*_head(data), *_table(data), *_facts(data)]) + "\n"


def in_brief(data: Mapping[str, Any]) -> str:
    """Return one line for each fact, for the terminal."""
    return "\n".join(f"  {fact['id']}  {fact['verdict']:<14}  {fact['fact']}" for fact in data["facts"])


def _fact(question: FactQuestion, lines: Iterable[Line], findings: Findings, *, failed: bool) -> dict[str, Any]:
    verdict = FactVerdict.COULD_NOT_TELL if failed else question.verdict(findings)
    told = [asdict(_told(step, lines)) for step in question.steps]
    return {"id": question.fact, "fact": question.text, "verdict": str(verdict), "steps": told}


def _told(step: str, lines: Iterable[Line]) -> StepTold:
    mine = [line for line in lines if line.get("step") == step]
    requests = [line for line in mine if line["kind"] == "request"]
    asked = [line for line in requests if line["method"] == "POST" or step.startswith("region ")]
    readings = [line for line in requests if line["path"].endswith("/participants") and line["status"] == 200]
    return StepTold(
        step=step,
        sent=tuple(dict.fromkeys(_request(line) for line in asked)),
        answered=tuple(dict.fromkeys(_answer(line) for line in asked)),
        read_back=_reading(readings[-1]) if readings else "",
        heard=tuple(_heard(line) for line in mine if line["kind"] in {"heard", "asked"}),
    )


def _request(line: Line) -> str:
    said = {**line["query"], **{key: value for key, value in (line["body"] or {}).items() if key not in NOT_TOLD}}
    fields = ", ".join(f"{key}: {_value(value)}" for key, value in said.items())
    return f"{line['method']} {line['path']}" + (f" {{{fields}}}" if fields else "")


def _answer(line: Line) -> str:
    errors = line["answer"].get("errors")
    code = errors[0].get("code", "") if isinstance(errors, list) and errors and isinstance(errors[0], Mapping) else ""
    return f"{line['status'] or 'no answer'} {code}".strip()


def _reading(line: Line) -> str:
    data = line["answer"].get("data")
    people = [person for person in data if isinstance(person, Mapping)] if isinstance(data, list) else []
    listed = [person for person in people if person.get("call_control_id") == SUPERVISOR]
    if not listed:
        return "the supervisor's leg is not listed"
    person = next((one for one in listed if one.get("status") != "left"), None)
    if person is None:
        return "left"
    whispers = _value(person.get("whisper_call_control_ids"))
    return f"{person.get('status')}, muted: {_value(person.get('muted'))}, whispers to: {whispers}"


def _heard(line: Line) -> str:
    answer = "cannot say" if line["heard"] is None else _value(line["heard"])
    if line["kind"] == "asked":
        return f"{line['question']}: {answer}"
    return f"{line['listener']} hears {line['speaker']}: {answer}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nobody"
    return str(value)


# --- the page ---------------------------------------------------------------------------------------------------------


def _head(data: Mapping[str, Any]) -> Iterator[str]:
    telnyx = data["telnyx"]
    yield "# Report of a Floorline probe"
    yield ""
    yield f"Floorline {telnyx['floorline']} · {telnyx['began']} · {telnyx['telnyx']} · region: {telnyx['region']}"
    yield ""
    yield "Numbers, names, ids and texts are replaced; the API key was never in it. Facts: docs/telnyx-facts.md."
    yield f"Webhooks of the test calls that reached this installation: {data['webhooks']}."
    if data["broke_off"]:
        yield ""
        yield f"**The probe broke off, so it judges nothing:** {data['broke_off']}"


def _table(data: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "| | Fact | |"
    yield "|---|---|---|"
    for fact in data["facts"]:
        yield f"| {fact['id']} | {fact['fact']} | {fact['verdict']} |"


def _facts(data: Mapping[str, Any]) -> Iterator[str]:
    for verdict, heading in HEADINGS.items():
        facts = [fact for fact in data["facts"] if fact["verdict"] == verdict]
        if facts:
            yield ""
            yield f"## {heading}"
        for fact in facts:
            yield ""
            yield f"**{fact['id']}** {fact['fact']}"
            yield from _steps(fact["steps"])


def _steps(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not steps:
        return
    yield ""
    yield "| Step | Sent | Answered | Read back | Heard |"
    yield "|---|---|---|---|---|"
    for step in steps:
        cells = [step["step"], *("<br>".join(step[name]) for name in ("sent", "answered"))]
        cells += [step["read_back"], "<br>".join(step["heard"])]
        yield f"| {' | '.join(cell.replace('|', '/') or '–' for cell in cells)} |"
