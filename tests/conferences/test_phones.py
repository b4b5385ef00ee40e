"""Supervisors' phones as an admin types them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from conferences.models import Line


def typed(client: Client, person: User, kind: str, address: str) -> Any:
    """Add a phone on the person's page in the admin; return the answer."""
    form = {
        "username": person.username,
        "team_memberships-TOTAL_FORMS": 0, "team_memberships-INITIAL_FORMS": 0,
        "lines-TOTAL_FORMS": 1, "lines-INITIAL_FORMS": 0,
        "lines-0-label": "Desk", "lines-0-kind": kind, "lines-0-address": address,
    }  # fmt: skip
    return client.post(reverse("admin:conferences_supervisor_change", args=[person.pk]), form)


PASSWORD = "Leave the password out: write sip:name@sip.telnyx.com."
ADDITIONS = "Leave out spaces and whatever follows a ; or a ?: write only sip:name@sip.telnyx.com."


@pytest.mark.parametrize(
    ("kind", "address", "sentence"),
    [
        ("sip", "sip:omar:s3cret@sip.telnyx.com", PASSWORD),
        ("sip", "sip:omar:@sip.telnyx.com", PASSWORD),
        ("sip", "sip:omar:s3cret;x=1@sip.telnyx.com", PASSWORD),
        ("sip", "sip:omar@sip.telnyx.com;transport=tls", ADDITIONS),
        ("sip", "sip:omar;isub=1@sip.telnyx.com", ADDITIONS),
        ("sip", "sip:omar@sip.telnyx.com?X-Secret=1", ADDITIONS),
        ("sip", "sip:omar haddad@sip.telnyx.com", ADDITIONS),
        ("sip", "sip:omar@sip.telnyx.com x", ADDITIONS),
        ("sip", "omar@sip.telnyx.com", "Write it as sip:name@sip.telnyx.com."),
        ("sip", "sip:omar", "Write it as sip:name@sip.telnyx.com."),
        ("sip", "sip:omar@a@sip.telnyx.com", "Write it as sip:name@sip.telnyx.com."),
        ("sip", "sip:omar@sip.telnyx.com:port", "Write it as sip:name@sip.telnyx.com."),
        ("phone", "0155 50100777", "Write the number with its country code, for example +15551230000."),
    ],
)
def test_an_address_that_is_more_or_less_than_one_is_refused_beside_its_field(
    admin_client: Client, omar: User, kind: str, address: str, sentence: str
) -> None:
    answer = typed(admin_client, omar, kind, address)
    assert answer.status_code == 200
    [formset] = [one.formset for one in answer.context["inline_admin_formsets"] if one.formset.model is Line]
    assert [error.startswith(sentence) for error in formset.forms[0].errors["address"]] == [True]
    assert f'value="{address}"' in answer.content.decode()
    assert not Line.objects.exists()


@pytest.mark.parametrize(
    ("address", "stored"),
    [
        ("sip:Omar.H+1@SIP.telnyx.com", "sip:Omar.H+1@sip.telnyx.com"),
        ("sip:omar@pbx.example.com:5061", "sip:omar@pbx.example.com:5061"),
        ("sip:omar@[2001:DB8::1]", "sip:omar@[2001:db8::1]"),
    ],
)
def test_a_sip_address_is_stored_with_its_host_in_small_letters(
    admin_client: Client, omar: User, address: str, stored: str
) -> None:
    assert typed(admin_client, omar, "sip", address).status_code == 302
    assert Line.objects.get().address == stored
