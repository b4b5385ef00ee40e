"""Webhooks through the real endpoint: what is refused, what is kept, and what is answered when."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction
from django.test import Client
from django.urls import reverse
from nacl.signing import SigningKey

from conferences import changes
from conferences.intake.endpoint import Intake
from conferences.models import Account, BoardVersion, Conference, Leg, WebhookEvent
from conferences.projection.observations import Observation, observe
from conferences.projection.projector import project
from conferences.telnyx.inbound import Event, parse

from .signed import Post, Telnyx, event, public_text, signature
from .test_admin import account_form

DATA = Path(__file__).parents[1] / "data"
KEY = SigningKey(bytes(range(1, 33)))
STRANGER = SigningKey(bytes(range(2, 34)))
State = WebhookEvent.State


@pytest.fixture
def intake() -> Iterator[Intake]:
    intake = Intake()
    yield intake
    intake.writer.close()


@pytest.fixture
def telnyx(transactional_db: None, settings: Any, intake: Intake) -> Telnyx:
    settings.TELNYX_PUBLIC_KEYS = [public_text(KEY)]
    Account.objects.create(name="default")
    return Telnyx(intake, KEY)


def joined(event_id: str = "e1", **payload: object) -> bytes:
    ids: dict[str, Any] = {"conference_id": "c1", "call_control_id": "v3:leg", **payload}
    return event("conference.participant.joined", event_id=event_id, **ids)


def stored() -> list[tuple[str, str]]:
    return sorted(WebhookEvent.objects.values_list("event_id", "state"))


# --- Who is let in ----------------------------------------------------------------------------------------------------


def test_a_signed_webhook_is_on_the_board_when_its_200_is_sent(telnyx: Telnyx) -> None:
    body = joined()
    assert telnyx.send(body) == [200]
    kept = WebhookEvent.objects.get()
    assert (kept.event_id, kept.state, bytes(kept.body)) == ("e1", State.PROJECTED, body)
    assert (kept.conference_telnyx_id, kept.call_control_id) == ("c1", "v3:leg")
    assert Conference.objects.get().participants.get().present
    ingested_at = changes.current().ingested_at
    assert ingested_at is not None
    assert ingested_at >= kept.received_at


def test_what_telnyx_did_not_sign_is_refused_and_leaves_no_row(telnyx: Telnyx) -> None:
    signed, stamped = signature(KEY, joined(), timestamp="1787320934")
    name = stamped[0]
    spoilt = [
        [],
        [signed],
        [stamped],
        signature(STRANGER, joined(), timestamp="1787320934"),
        signature(KEY, joined() + b" ", timestamp="1787320934"),
        *([(signed[0], value), stamped] for value in (b"", b"?" * 88, b"AAAA", b"\xff\xfe", signed[1] + b"\n")),
        *(
            [signed, (name, value)]
            for value in (b"", b"9" * 5000, "١٧٨٧٣٢٠٩٣٤".encode(), b"-1787320934", b"1787320934.0")
        ),
    ]
    with time_machine.travel(1787320934, tick=False):
        assert telnyx.post(*(Post(joined(), headers) for headers in spoilt)) == [401] * len(spoilt)
    assert not WebhookEvent.objects.exists()
    assert not Conference.objects.exists()


def test_every_refusal_is_counted_and_the_log_tells_the_sum_of_each_second(
    telnyx: Telnyx, caplog: pytest.LogCaptureFixture
) -> None:
    form = Post(b"CallSid=1", [(b"content-type", b"application/x-www-form-urlencoded")])
    older = Post(b"{}", [(b"x-telnyx-signature", b"t=1,h=abc")])
    stranger, stale = telnyx.signed(joined(), key=STRANGER), telnyx.signed(joined(), seconds_ago=400)

    def lines() -> list[str]:
        messages = [record.getMessage() for record in caplog.records]
        return [message for message in messages if "refused for their signature" in message]

    def told() -> list[tuple[int, str]]:
        parts = [part.split(" × ") for line in lines() for part in line.partition(": ")[2].split(", ")]
        return [(int(count), reason) for count, reason in parts]

    counts = {"mismatch": 2, "stale": 1, "TeXML": 1, "version 1": 1, "missing": 1}

    async def until_all_are_told() -> None:
        for post in (stranger, stranger, stale, form, older, Post(joined())):
            assert await post.to(telnyx.intake) == 401
            await asyncio.sleep(0.01)
        async with asyncio.timeout(30):
            while sum(count for count, _reason in told()) < sum(counts.values()):
                await asyncio.sleep(0.05)

    asyncio.run(until_all_are_told())
    assert 1 < len(lines()) < sum(counts.values())  # one a second, however slow the machine is
    assert sum(count for count, _reason in told()) == sum(counts.values())
    assert {reason for _count, reason in told()} == set(counts)
    assert telnyx.intake.refusals.counts == counts


def test_the_setup_page_says_what_was_refused_and_what_to_change(
    telnyx: Telnyx, lena: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.setup_guide.evidence.intake", telnyx.intake)
    client.force_login(lena)
    said = (
        "Webhooks arrive that another key has signed.",
        "Webhooks arrive whose signature is too old or too new.",
        "Webhooks of API version 1 arrive.",
        "Webhooks of TeXML arrive.",
    )
    page = client.get("/setup/").content.decode()
    assert [sentence for sentence in said if sentence in page] == []

    async def some() -> None:
        form = Post(b"CallSid=1", [(b"content-type", b"application/x-www-form-urlencoded")])
        older = Post(b"{}", [(b"x-telnyx-signature", b"t=1,h=abc")])
        stranger, stale = telnyx.signed(joined(), key=STRANGER), telnyx.signed(joined(), seconds_ago=400)
        for post in (stranger, stranger, stranger, stale, form, older):
            await post.to(telnyx.intake)

    asyncio.run(some())
    page = client.get("/setup/").content.decode()
    assert [sentence for sentence in said if sentence in page] == list(said)

    telnyx.send(b"CallSid=CA1&CallStatus=ringing", b'{"record_type": "event", "event_type": "call_initiated"}')
    page = client.get("/setup/").content.decode()
    # A webhook that was verified since shows that the key is right; it says nothing about the formats.
    assert [sentence for sentence in said if sentence in page] == list(said[2:])


@pytest.mark.parametrize("seconds_ago", [301, -302])
def test_a_signature_older_or_newer_than_five_minutes_is_refused(telnyx: Telnyx, seconds_ago: int) -> None:
    assert telnyx.post(telnyx.signed(joined(), seconds_ago=seconds_ago)) == [401]
    assert telnyx.post(telnyx.signed(joined(), seconds_ago=seconds_ago * 0.9)) == [200]
    assert WebhookEvent.objects.count() == 1


def test_a_mutated_signature_is_never_accepted(telnyx: Telnyx) -> None:
    chance = random.Random(20260821)
    posts = []
    for _ in range(200):
        post = telnyx.signed(joined())
        (name, value), timestamp = post.headers
        at, bit = chance.randrange(len(value) - 3), 1 << chance.randrange(7)  # the last characters hold padding bits
        post.headers = [(name, value[:at] + bytes([value[at] ^ bit]) + value[at + 1 :]), timestamp]
        posts.append(post)
    assert set(telnyx.post(*posts)) == {401}
    assert not WebhookEvent.objects.exists()


def test_the_recorded_delivery_is_accepted_at_its_time(telnyx: Telnyx, settings: Any) -> None:
    fixture = json.loads((DATA / "signature_fixture.json").read_text())
    settings.TELNYX_PUBLIC_KEYS = [fixture["public_key_b64"]]
    headers = [(name.lower().encode(), value.encode()) for name, value in fixture["headers"].items()]
    body = fixture["body"].encode()
    with time_machine.travel(int(fixture["timestamp"]) + 5, tick=False):
        assert telnyx.post(Post(body + b" ", headers), Post(body, headers)) == [401, 200]
    with time_machine.travel(int(fixture["timestamp"]) + 301, tick=False):
        assert telnyx.post(Post(body, headers)) == [401]
    assert Conference.objects.get().telnyx_id == "5f0c2d1e-8a4b-4c7d-9e21-7b3a6d2f1c90"


def test_two_keys_are_valid_while_telnyx_rotates_them(telnyx: Telnyx, settings: Any) -> None:
    settings.TELNYX_PUBLIC_KEYS = ["not a key", public_text(KEY), public_text(STRANGER)]
    assert telnyx.post(telnyx.signed(joined("e1")), telnyx.signed(joined("e2"), key=STRANGER)) == [200, 200]


def test_a_new_key_comes_into_force_without_a_restart(telnyx: Telnyx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conferences.intake.endpoint.KEYS_SECONDS", 0)
    assert telnyx.post(telnyx.signed(joined(), key=STRANGER)) == [401]
    Account.objects.update(public_keys=f"{public_text(KEY)}\n{public_text(STRANGER)}")
    telnyx.send(joined("e0"))  # the keys are read beside the traffic, so the next one finds them
    assert telnyx.post(telnyx.signed(joined(), key=STRANGER)) == [200]


@pytest.mark.parametrize("parted_by", ["\n", "\r\n", " ", ",", ", ", "\t"])
def test_however_two_keys_typed_in_the_admin_are_parted_both_are_in_force(
    telnyx: Telnyx, settings: Any, admin_client: Client, parted_by: str
) -> None:
    settings.TELNYX_PUBLIC_KEYS = []
    page = reverse("admin:conferences_account_change", args=[Account.objects.get().pk])
    typed = account_form(public_keys=f"{public_text(STRANGER)}{parted_by}{public_text(KEY)}")
    assert admin_client.post(page, typed).status_code == 302
    assert telnyx.post(telnyx.signed(joined("e1")), telnyx.signed(joined("e2"), key=STRANGER)) == [200, 200]


def test_without_a_key_everything_is_refused(telnyx: Telnyx, settings: Any) -> None:
    settings.TELNYX_PUBLIC_KEYS = []
    assert telnyx.send(joined()) == [401]
    assert not WebhookEvent.objects.exists()


def test_the_very_first_webhooks_wait_for_the_keys_instead_of_being_refused(telnyx: Telnyx) -> None:
    assert telnyx.send(*(joined(f"e{number}") for number in range(20))) == [200] * 20


def test_only_posts_are_taken(telnyx: Telnyx) -> None:
    assert telnyx.post(*(Post(b"", method=method) for method in ("GET", "HEAD", "PUT", "OPTIONS"))) == [405] * 4


def test_a_body_larger_than_any_webhook_is_refused_whatever_its_length_header_says(telnyx: Telnyx) -> None:
    large = telnyx.signed(b" " * 1_000_000, pieces=16)
    announced = Post(b"", [*large.headers, (b"content-length", b"1000000")])
    absurd = Post(b"", [*large.headers, (b"content-length", b"9" * 6000)])
    assert telnyx.post(large, announced, absurd) == [413, 413, 413]
    assert not WebhookEvent.objects.exists()


def test_a_body_may_come_in_pieces(telnyx: Telnyx) -> None:
    assert telnyx.post(telnyx.signed(joined(), pieces=7)) == [200]


@pytest.mark.slow
def test_a_body_that_does_not_arrive_is_given_up(telnyx: Telnyx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conferences.intake.endpoint.BODY_SECONDS", 0.01)
    slow = telnyx.signed(joined())
    slow.stalls = True
    assert telnyx.post(slow, telnyx.signed(joined("e2"))) == [408, 200]


# --- What is kept -----------------------------------------------------------------------------------------------------

DEEP = b"[" * 100_000 + b"]" * 100_000
HOSTILE = {
    "not JSON": b"hello",
    "empty": b"",
    "truncated": joined()[:-20],
    "bytes": b"\xff\xfe\x00\x01",
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "nested": DEEP,
    "nested inside": b'{"data":{"event_type":"call.initiated","id":"deep","payload":' + DEEP + b"}}",
    "endless number": b'{"data":{"event_type":"call.initiated","payload":{"from":' + b"9" * 5000 + b"}}}",
    "no data": b'{"meta":{}}',
    "no type": b'{"data":{"id":"x","payload":{}}}',
    "mistyped type": b'{"data":{"event_type":["call.initiated"],"id":"x"}}',
    "mistyped id": b'{"data":{"event_type":"call.initiated","id":{"a":1},"payload":{"call_control_id":["v3"]}}}',
    "payload is text": b'{"data":{"event_type":"call.initiated","id":"p","payload":"hi"}}',
    "mistyped ids": event("conference.participant.joined", event_id="m", conference_id=7, call_control_id=None),
    "NUL": event("conference.created", event_id="a\x00b", conference_id="c\x00", call_control_id="v3:\x00"),
    "surrogates": b'{"data":{"event_type":"call.initiated","id":"\\ud800","payload":{"call_control_id":"v3:\\udfff",'
    b'"from":"\\ud83d","to":"+1\\u0000","custom_headers":[{"name":"\\udc00","value":NaN}]}}}',
    "NaN": b'{"data":{"event_type":"call.initiated","id":"n","payload":{"call_control_id":"v3:n","from":NaN}}}',
    "unknown type": event("conference.reborn", event_id="u", conference_id="c9"),
    "very long": event("call.initiated", event_id="i" * 5000, call_control_id="v" * 5000, **{"from": "f" * 5000}),
    "impossible time": event("call.answered", event_id="t", at="0001-01-01T00:00:00+23:59", call_control_id="v3:t"),
    "far future": event("call.answered", event_id="f", at="9999-12-31T23:59:59Z", call_control_id="v3:f"),
    "mistyped queue": event("call.enqueued", event_id="q", call_control_id="v3:q", queue={"a": [1]}),
    "mistyped headers": event("call.answered", event_id="h", call_control_id="v3:h", custom_headers=[[[]], "x", None]),
}


def test_whatever_telnyx_signs_is_kept_once_and_never_answered_with_an_error(telnyx: Telnyx) -> None:
    posts = [telnyx.signed(body) for body in HOSTILE.values()]
    assert telnyx.post(*posts) == [200] * len(posts)
    assert telnyx.post(*posts) == [200] * len(posts)
    bodies = [bytes(body) for body in WebhookEvent.objects.values_list("body", flat=True)]
    assert sorted(bodies) == sorted(HOSTILE.values())
    assert not WebhookEvent.objects.filter(state=State.FAILED).exists()
    unreadable = {bytes(row.body) for row in WebhookEvent.objects.filter(state=State.UNREADABLE)}
    named = ("not JSON", "empty", "truncated", "bytes", "a list", "a number", "null", "nested", "nested inside")
    more = ("endless number", "no data", "no type", "mistyped type")
    assert unreadable == {HOSTILE[name] for name in (*named, *more)}


def test_a_time_in_the_far_future_is_not_believed(telnyx: Telnyx) -> None:
    telnyx.send(HOSTILE["far future"])
    kept = WebhookEvent.objects.get()
    assert kept.occurred_at == kept.received_at
    assert Leg.objects.get().answered_at == kept.received_at


def test_ids_too_long_to_store_do_not_pass_for_each_other(telnyx: Telnyx) -> None:
    bodies = [joined("e" * 200 + tail) for tail in ("1", "2")]
    assert telnyx.send(*bodies) == [200, 200]
    assert WebhookEvent.objects.count() == 2


def test_mutated_webhooks_are_kept_each_once_and_never_answered_with_an_error(telnyx: Telnyx) -> None:
    chance = random.Random(20260822)
    samples = [path.read_bytes() for path in sorted((DATA / "webhook_samples").glob("*.json"))]
    bodies = {mutated(chance.choice(samples), chance) for _ in range(300)}
    assert set(telnyx.send(*bodies)) == {200}
    digests = {bytes(body) for body in WebhookEvent.objects.values_list("body", flat=True)}
    ids = {json_id(body) for body in bodies}
    assert len(digests) == len(ids)  # bodies that still share an event id are one event


def mutated(body: bytes, chance: random.Random) -> bytes:
    """Return a body with a few bytes changed, cut out or doubled."""
    broken = bytearray(body)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(broken))
        match chance.randrange(3):
            case 0:
                broken[at] = chance.randrange(256)
            case 1:
                del broken[at : at + chance.randint(1, 9)]
            case 2:
                broken[at:at] = broken[at : at + chance.randint(1, 40)]
    return bytes(broken)


def json_id(body: bytes) -> object:
    """Return what distinguishes a body: its event id, or itself."""
    return parse(body=body, received_at=datetime.now(UTC)).id


def test_the_same_event_counts_once_in_one_batch_and_across_batches(telnyx: Telnyx) -> None:
    assert telnyx.send(joined(), joined(), joined()) == [200, 200, 200]
    version = changes.current().version
    assert telnyx.send(joined()) == [200]
    assert WebhookEvent.objects.count() == 1
    assert changes.current().version == version  # a repetition is pushed to nobody


def test_one_batch_is_one_commit_and_one_version(telnyx: Telnyx) -> None:
    telnyx.send(joined("warm"))
    version = changes.current().version
    assert telnyx.send(*(joined(f"e{number}", call_control_id=f"v3:{number}") for number in range(50))) == [200] * 50
    # The first is written at once; the others gather meanwhile.
    assert changes.current().version <= version + 2


def test_a_poisonous_event_is_kept_as_failed_and_its_batch_goes_on(
    telnyx: Telnyx, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choking(*, observations: Any, **more: Any) -> bool:
        observations = list(observations)
        if any(observation.conference_id == "poison" for observation in observations):
            raise ArithmeticError("cannot")
        return project(observations=observations, **more)

    monkeypatch.setattr("conferences.intake.store.project", choking)
    assert telnyx.send(joined("a"), joined("b", conference_id="poison"), joined("c", conference_id="c2")) == [200] * 3
    assert stored() == [("a", State.PROJECTED), ("b", State.FAILED), ("c", State.PROJECTED)]
    poisonous = WebhookEvent.objects.get(event_id="b")
    assert (poisonous.problem, poisonous.attempts) == ("ArithmeticError", 1)
    assert set(Conference.objects.values_list("telnyx_id", flat=True)) == {"c1", "c2"}


def test_an_event_that_cannot_be_understood_is_kept_as_failed(telnyx: Telnyx, monkeypatch: pytest.MonkeyPatch) -> None:
    def choking(seen: Event) -> Observation:
        if seen.id == "b":
            raise AttributeError("nobody foresaw this")
        return observe(seen)

    monkeypatch.setattr("conferences.intake.store.observe", choking)
    assert telnyx.send(joined("a"), joined("b")) == [200, 200]
    assert stored() == [("a", State.PROJECTED), ("b", State.FAILED)]


# --- When the database fails ------------------------------------------------------------------------------------------


def test_a_locked_database_is_answered_503_in_time_and_the_retry_is_taken(telnyx: Telnyx) -> None:
    telnyx.send(joined("warm"))
    with transaction.atomic():
        BoardVersion.objects.update(ingested_at=None)  # holds the lock that every writer needs
        assert telnyx.send(joined("e1")) == [503]
    assert telnyx.send(joined("e1")) == [200]
    assert stored() == [("e1", State.PROJECTED), ("warm", State.PROJECTED)]


def test_a_database_without_its_tables_is_answered_503_and_the_retry_is_taken(telnyx: Telnyx) -> None:
    telnyx.send(joined("warm"))
    rename("conferences_webhookevent", "gone")
    try:
        assert telnyx.send(joined("e1"), joined("e2")) == [503, 503]
    finally:
        rename("gone", "conferences_webhookevent")
    assert telnyx.send(joined("e1"), joined("e2")) == [200, 200]


def test_no_database_at_the_start_is_answered_503_not_401(telnyx: Telnyx) -> None:
    rename("conferences_account", "gone")
    try:
        assert telnyx.send(joined("e1")) == [503]
    finally:
        rename("gone", "conferences_account")
    assert telnyx.send(joined("e1")) == [200]


def rename(table: str, name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {name}")


def test_a_batch_that_fails_half_way_stores_nothing(telnyx: Telnyx, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaking(**everything: Any) -> bool:
        project(**everything)
        raise OperationalError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("conferences.intake.store.project", breaking)
        assert telnyx.send(joined()) == [503]
    assert not WebhookEvent.objects.exists()
    assert not Conference.objects.exists()
    assert telnyx.send(joined()) == [200]


def test_webhooks_beyond_the_memory_limit_are_answered_503(telnyx: Telnyx, monkeypatch: pytest.MonkeyPatch) -> None:
    telnyx.send(joined("warm"))
    body = joined()
    monkeypatch.setattr("conferences.intake.endpoint.MAX_WAITING_BYTES", len(body) * 3)
    answers = telnyx.send(*(joined(f"e{number}") for number in range(9)))
    assert set(answers) == {200, 503}
    assert WebhookEvent.objects.count() == 1 + answers.count(200)
