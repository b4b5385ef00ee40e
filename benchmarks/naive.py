"""Implements the two baseline views: a correct signature check, one request at a time, nothing batched."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from datetime import datetime
from functools import cache
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.naive_settings")
application = get_wsgi_application()

from django.conf import settings  # noqa: E402 - settings are configured first
from django.db import transaction  # noqa: E402

from conferences.models import Account, Conference, Leg, Participant, WebhookEvent  # noqa: E402


def verified(request: HttpRequest) -> dict[str, Any] | None:
    """Return the event of a signed webhook, None of any other."""
    timestamp = request.headers.get("telnyx-timestamp", "")
    try:
        key = VerifyKey(b64decode(settings.TELNYX_PUBLIC_KEYS[0]))
        key.verify(timestamp.encode() + b"|" + request.body, b64decode(request.headers["telnyx-signature-ed25519"]))
    except (BadSignatureError, KeyError, ValueError):
        return None
    data: dict[str, Any] = json.loads(request.body)["data"]
    return data


@csrf_exempt
def lean(request: HttpRequest) -> HttpResponse:
    """Insert the event, and update the one row that it is about."""
    data = verified(request)
    if data is None:
        return HttpResponse(status=401)
    occurred_at, payload = datetime.fromisoformat(data["occurred_at"]), data["payload"]
    event = WebhookEvent(
        account_id=account_id(),
        event_id=data["id"],
        event_type=data["event_type"],
        occurred_at=occurred_at,
        received_at=timezone.now(),
        body=request.body,
        state=WebhookEvent.State.PROJECTED,
    )
    with transaction.atomic():
        WebhookEvent.objects.bulk_create([event], ignore_conflicts=True)
        update(data["event_type"], payload, occurred_at)
    return HttpResponse("ok")


def update(kind: str, payload: dict[str, str], at: datetime) -> None:
    """Write the columns of one row in one statement, whether it exists or not."""
    if "conference_id" in payload:
        columns = conference_columns(kind, payload, at) or {"speaker_since": at}
        conference = Conference(account_id=account_id(), telnyx_id=payload["conference_id"], **columns)
        Conference.objects.bulk_create(
            [conference], update_conflicts=True, unique_fields=["account", "telnyx_id"], update_fields=[*columns]
        )
    else:
        columns = leg_columns(kind, payload, at)
        leg = Leg(account_id=account_id(), call_control_id=payload["call_control_id"], **columns)
        Leg.objects.bulk_create(
            [leg], update_conflicts=True, unique_fields=["account", "call_control_id"], update_fields=[*columns]
        )


@cache
def account_id() -> int:
    return Account.objects.get().pk


@csrf_exempt
def heavy(request: HttpRequest) -> HttpResponse:
    """Insert the event, and set every row to what it says, as the ORM makes it easy."""
    data = verified(request)
    if data is None:
        return HttpResponse(status=401)
    with transaction.atomic():
        account = Account.objects.get()
        occurred_at = datetime.fromisoformat(data["occurred_at"])
        _event, new = WebhookEvent.objects.get_or_create(
            account=account,
            event_id=data["id"],
            defaults={
                "event_type": data["event_type"],
                "occurred_at": occurred_at,
                "received_at": timezone.now(),
                "body": request.body,
                "state": WebhookEvent.State.PROJECTED,
            },
        )
        if new:
            project(account, data["event_type"], data["payload"], occurred_at)
    return HttpResponse("ok")


def project(account: Account, kind: str, payload: dict[str, str], at: datetime) -> None:
    leg, _ = Leg.objects.update_or_create(
        account=account, call_control_id=payload["call_control_id"], defaults=leg_columns(kind, payload, at)
    )
    if "conference_id" not in payload:
        return
    conference, _ = Conference.objects.update_or_create(
        account=account, telnyx_id=payload["conference_id"], defaults=conference_columns(kind, payload, at)
    )
    if kind in {"conference.participant.joined", "conference.participant.left"}:
        joined = kind.endswith("joined")
        Participant.objects.update_or_create(
            account=account,
            conference=conference,
            leg=leg,
            defaults={"present": joined, **({"joined_at": at} if joined else {"left_at": at})},
        )


def leg_columns(kind: str, payload: dict[str, str], at: datetime) -> dict[str, object]:
    columns: dict[str, object] = {"call_leg_id": payload["call_leg_id"], "connection_id": payload["connection_id"]}
    if "from" in payload:
        columns |= {"from_address": payload["from"], "to_address": payload["to"]}
    moments = {"call.initiated": "started_at", "call.answered": "answered_at", "call.hangup": "hung_up_at"}
    return columns | ({moments[kind]: at} if kind in moments else {})


def conference_columns(kind: str, payload: dict[str, str], at: datetime) -> dict[str, object]:
    if kind == "conference.ended":
        return {"ended_at": at, "end_reason": payload["reason"]}
    if kind == "conference.floor.changed":
        return {"speaker_call_control_id": payload["call_control_id"], "speaker_since": at}
    return {"started_at": at} if kind == "conference.created" else {}


urlpatterns = [path("lean/", lean), path("heavy/", heavy)]
