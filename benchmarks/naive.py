"""Implements the baseline view: a correct signature check, one ORM row at a time, nothing batched."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from datetime import datetime

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


@csrf_exempt
def webhook(request: HttpRequest) -> HttpResponse:
    """Verify, store, and set the rows to what the event says."""
    timestamp = request.headers.get("telnyx-timestamp", "")
    try:
        key = VerifyKey(b64decode(settings.TELNYX_PUBLIC_KEYS[0]))
        key.verify(timestamp.encode() + b"|" + request.body, b64decode(request.headers["telnyx-signature-ed25519"]))
    except (BadSignatureError, KeyError, ValueError):
        return HttpResponse(status=401)
    data = json.loads(request.body)["data"]
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


urlpatterns = [path("webhooks/telnyx/", webhook)]
