"""Renders the sandbox's own page: conferences, and for one of them who hears whom."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from conferences.sandbox.rest.router import Api
from conferences.sandbox.serving.control import Control, ControlError, matrix
from conferences.sandbox.telephony.state import SandboxConference
from conferences.sandbox.telephony.world import World

PAGE_SIZE = 50
_CSP = (
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_STYLE = (Path(__file__).parent / "sandbox.css").read_bytes()

_ROLE_WORDS = {
    "monitor": "monitor: nobody hears them",
    "whisper": "whisper",
    "barge": "barge: everyone hears them",
    "none": "participant",
}


@dataclass(frozen=True, slots=True)
class HtmlPage:
    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]


@dataclass
class Pages:
    world: World
    api: Api
    control: Control

    def handle(self, method: str, path: str, query: Mapping[str, str], raw: bytes) -> HtmlPage:
        match (method, *path.strip("/").split("/")):
            case ("GET", ""):
                return _html("Conferences", self._list(query), refresh_s=10)
            case ("GET", "sandbox.css"):
                return HtmlPage(200, _STYLE, (("content-type", "text/css; charset=utf-8"),))
            case ("GET", "conferences", reference) if conference := self.world.conferences.get(reference):
                return _html(conference.name, self._conference(conference))
            case ("POST", "semantics"):
                return self._switch(dict(parse_qsl(raw.decode("utf-8", "replace"))))
        return _html(
            "Not here", '<p class="empty">The sandbox has no such page. <a href="/">All conferences</a></p>', 404
        )

    def _switch(self, form: dict[str, str]) -> HtmlPage:
        order: dict[str, Any] = {}
        if "whisper" in form:
            order["whisper"] = form["whisper"]
        if "monitor_reads_muted" in form:
            order["monitor_reads_muted"] = form["monitor_reads_muted"] == "yes"
        try:
            self.control.set_semantics(order)
        except ControlError as error:
            return _html("Not understood", f'<p class="empty">{escape(error.sentence)}</p>', 400)
        # Only pages of conferences that exist are followed, never an address.
        reference = form.get("back", "").removeprefix("/conferences/")
        back = f"/conferences/{reference}" if reference in self.world.conferences else "/"
        return HtmlPage(303, b"", (("location", back),))

    def _list(self, query: Mapping[str, str]) -> str:
        wanted = query.get("q", "").strip()
        number = max(1, int(query["page"])) if query.get("page", "").isdecimal() else 1
        found: Iterable[SandboxConference] = reversed(self.world.active.values())
        if wanted:
            found = (item for item in found if wanted.casefold() in item.name.casefold())
        start = (number - 1) * PAGE_SIZE
        window = list(itertools.islice(found, start, start + PAGE_SIZE + 1))
        rows = "".join(self._row(conference) for conference in window[:PAGE_SIZE])
        links = [
            f'<a href="/?{escape(urlencode({"q": wanted, "page": page}))}">{word}</a>'
            for page, word, there in (
                (number - 1, "← newer", number > 1),
                (number + 1, "older →", len(window) > PAGE_SIZE),
            )
            if there
        ]
        table = (
            '<div class="scroll"><table><thead><tr><th scope="col">Conference</th><th scope="col">Inside</th>'
            f'<th scope="col">Running</th></tr></thead><tbody>{rows}</tbody></table></div>'
            if rows
            else '<p class="empty">No conference is running here. The story begins when the dashboard answers.</p>'
        )
        return (
            f"{self._semantics('/')}"
            '<form class="search" action="/" role="search"><label>Find a conference '
            f'<input type="search" name="q" value="{escape(wanted)}"></label><button>Find</button></form>'
            f'<p class="count">{len(self.world.active):,} conferences, {len(self.world.ended):,} ended</p>'
            f'{table}<p class="pages">{" ".join(links)}</p>'
        )

    def _row(self, conference: SandboxConference) -> str:
        people = ", ".join(escape(participant.leg.label) for participant in conference.participants.values())
        supervised = any(participant.leg.kind == "supervisor" for participant in conference.participants.values())
        mark = '<span class="badge supervisor">supervised</span>' if supervised else ""
        return (
            f'<tr><th scope="row"><a href="/conferences/{conference.id}">{escape(conference.name)}</a> {mark}</th>'
            f'<td>{people}</td><td class="time">{_duration(self.world.now - conference.created_at)}</td></tr>'
        )

    def _conference(self, conference: SandboxConference) -> str:
        described = matrix(self.world, conference)
        people: list[dict[str, Any]] = described["participants"]
        labels = {person["call_control_id"]: person["label"] for person in people}
        state = (
            f"running for {_duration(self.world.now - conference.created_at)}"
            if conference.alive
            else f"ended: {escape(str(conference.end_reason))}"
        )
        return (
            f'<p class="back"><a href="/">← All conferences</a></p>{self._semantics(f"/conferences/{conference.id}")}'
            f"<h2>{escape(conference.name)} <small>{state}</small></h2>"
            f"{_matrix_table(people) if people else '<p class=empty>Nobody is in this conference.</p>'}"
            f"{_roles_table(people, labels) if people else ''}"
            f"{self._requests(conference)}"
        )

    def _semantics(self, back: str) -> str:
        semantics = self.world.semantics
        whispers = (("allow-list", "only those named hear a whisper"), ("deny-list", "later joiners hear it too"))
        muted = (("yes", "a monitor reads back muted"), ("no", "it does not"))
        return (
            '<form class="semantics" method="post" action="/semantics">'
            f'<input type="hidden" name="back" value="{escape(back)}">'
            f"{_choices('Whisper', 'whisper', whispers, semantics.whisper)}"
            f"{_choices('Monitor', 'monitor_reads_muted', muted, 'yes' if semantics.monitor_reads_muted else 'no')}"
            "</form>"
        )

    def _requests(self, conference: SandboxConference) -> str:
        prefixes = (f"/conferences/{conference.id}", f"/conferences/{conference.name}/")
        mine = [entry for entry in reversed(self.api.log) if entry["path"].startswith(prefixes)][:12]
        if not mine:
            return '<h3>Requests</h3><p class="empty">No request for this conference yet.</p>'
        rows = "".join(
            f'<tr><td class="time">{_duration(self.world.now - entry["at"])} ago</td><td>{escape(entry["method"])}</td>'
            f"<td><code>{escape(entry['path'].rpartition('/')[2])}</code> {escape(_summary(entry['body']))}</td>"
            f'<td class="time">{entry["status"] or "no answer"}</td></tr>'
            for entry in mine
        )
        return f'<h3>Requests</h3><div class="scroll"><table><tbody>{rows}</tbody></table></div>'


def _matrix_table(people: list[dict[str, Any]]) -> str:
    heads = "".join(f'<th scope="col" class="{person["kind"]}">{escape(person["label"])}</th>' for person in people)
    rows = ""
    for speaker in people:
        cells = ""
        for listener in people:
            if listener is speaker:
                cells += '<td class="self"><span class="sr">self</span></td>'
            elif listener["call_control_id"] in speaker["heard_by"]:
                cells += '<td class="hears">● <span>hears</span></td>'
            else:
                cells += '<td class="deaf">– <span class="sr">does not hear</span></td>'
        rows += (
            f'<tr class="{speaker["kind"]} {speaker["role"]}"><th scope="row">{escape(speaker["label"])} '
            f'<span class="badge {speaker["kind"]} {speaker["role"]}">{_badge(speaker)}</span></th>{cells}</tr>'
        )
    return (
        '<div class="scroll"><table class="matrix"><caption>Who hears whom: the row speaks, the column hears</caption>'
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _roles_table(people: list[dict[str, Any]], labels: Mapping[str, str]) -> str:
    rows = ""
    for person in people:
        targets = ", ".join(labels.get(target, "somebody who left") for target in person["whisper_call_control_ids"])
        role = _ROLE_WORDS[person["role"]] + (f" to {targets or 'nobody'}" if person["role"] == "whisper" else "")
        marks = ", ".join(word for word, on in (("muted", person["muted"]), ("on hold", person["on_hold"])) if on)
        rows += (
            f'<tr class="{person["kind"]}"><th scope="row">{escape(person["label"])}</th><td>{person["kind"]}</td>'
            f"<td>{escape(role)}</td><td>{marks or '–'}</td></tr>"
        )
    return (
        '<h3>Roles</h3><div class="scroll"><table><thead><tr><th scope="col">Leg</th><th scope="col">Whose</th>'
        '<th scope="col">Role</th><th scope="col">State</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _choices(title: str, name: str, options: Iterable[tuple[str, str]], chosen: str) -> str:
    buttons = "".join(
        f'<button name="{name}" value="{value}" aria-pressed="{str(value == chosen).lower()}">{words}</button>'
        for value, words in options
    )
    return f"<fieldset><legend>{title}</legend>{buttons}</fieldset>"


def _badge(person: Mapping[str, Any]) -> str:
    if person["on_hold"]:
        return "on hold"
    return str(person["role"]) if person["kind"] == "supervisor" else str(person["kind"])


def _summary(body: Any) -> str:
    if not isinstance(body, dict):
        return ""
    role = body.get("supervisor_role")
    targets = body.get("whisper_call_control_ids") or []
    count = f", {len(targets)} named" if isinstance(targets, list) and targets else ""
    return f"{role}{count}" if role else ""


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(0, int(seconds)), 60)
    return f"{minutes:02d}:{rest:02d}"


def _html(title: str, content: str, status: int = 200, *, refresh_s: int = 2) -> HtmlPage:
    document = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="refresh" content="{refresh_s}"><title>{escape(title)} · sandbox</title>'
        # An empty icon: a browser would ask for one, and complain that the policy forbids it.
        '<link rel="icon" href="data:,"><link rel="stylesheet" href="/sandbox.css"></head><body>'
        '<header><h1><a href="/">A local Telnyx</a></h1><span class="mark">sandbox</span>'
        "<p>Nothing here is a real call. Floorline speaks to this as it would to Telnyx.</p></header>"
        f"<main>{content}</main></body></html>"
    )
    headers = (
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", _CSP),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    )
    return HtmlPage(status, document.encode("utf-8", "replace"), headers)
