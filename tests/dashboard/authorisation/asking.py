"""Asks as somebody, and holds the answer against the table."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator

from asgiref.sync import async_to_sync
from django.http import HttpResponseBase

from .people import NOT_SIGNED_IN, SEES, STAFF, Who, Whose
from .table import BOTH, Row
from .world import Call, World, secrets_in, told_of


def calls_for(row: Row, world: World) -> Iterator[tuple[Whose, Call]]:
    """Yield the calls that an address can be about; one of another team where it is about none."""
    for whose, call in world.calls.items():
        if row.about_call or "view_id" in row.route or whose == Whose.OTHER:
            yield whose, call


def ask(
    world: World, who: Who, row: Row, call: Call, method: str, *, checks_forms: bool = False
) -> tuple[HttpResponseBase, str]:
    path, form = _path(row, call), row.form(call) if method == "POST" else None
    client = world.client(who, checks_forms=checks_forms)
    send = getattr(client, method.lower())
    answer = send(path, **({} if form is None else {"data": form}), headers=row.headers)
    body = async_to_sync(_whole)(answer.streaming_content) if answer.streaming else answer.content
    headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    return answer, body.decode("utf-8", errors="replace") + (headers if method in BOTH else "")


async def _whole(parts: AsyncIterator[bytes]) -> bytes:
    return b"".join([part async for part in parts])


def _path(row: Row, call: Call) -> str:
    if row.path:
        return f"/{row.path}"
    row_asked = call.rows.get(row.model) or call.rows["account"]
    names = {
        "conference_id": call.conference.pk, "view_id": call.view.pk, "leg_id": call.customer.pk,
        "object_id": row_asked.pk, "account_id": call.conference.account_id, "id": call.rows["user"].pk,
    }  # fmt: skip
    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(names[found[1]]), row.route)
    query = "&".join(f"{name}={value}" for name, value in row.query(call).items())
    return f"/{path}{'?' if query else ''}{query}"


def assert_as_told(row: Row, who: Who, whose: Whose, method: str, answer: HttpResponseBase, text: str) -> None:
    asked, wanted = f"{method} {row.label} by {who} about {whose}", expected(row, who, whose, method)
    assert answer.status_code == wanted, f"{asked}: {answer.status_code}, not {wanted}\n{text[:2000]}"
    if who not in NOT_SIGNED_IN and answer.status_code == 200:
        assert "no-store" in answer.headers["Cache-Control"], asked
    for told_about in Whose:
        if who in row.told or who in SEES[told_about]:
            leaked = [] if who in row.numbers else secrets_in(text, told_about)
        else:
            leaked = told_of(text, told_about)
        assert leaked == [], f"{asked} tells {leaked} of {told_about}"


def expected(row: Row, who: Who, whose: Whose, method: str) -> int:
    if who in NOT_SIGNED_IN:
        if method == "POST" and row.stranger_posted:
            return row.stranger_posted
        return row.stranger or (401 if row.headers else 302)
    if row.route.startswith("admin/") and row.route != "admin/login/" and who not in STAFF:
        return 302
    if method not in row.methods:
        return 405
    if row.about_call and who not in SEES[whose]:
        return 404
    return row.status(who, whose, method)
