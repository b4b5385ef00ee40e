"""Blanks the digits that callers typed in what is stored: bodies of webhooks, and legs' registers.

In batches, each under the board's lock, so that the intake goes on meanwhile. It may be run again at any time.
"""

import base64
import binascii
import json
from functools import partial

from django.conf import settings
from django.db import migrations, transaction

from conferences.digits import without_digits
from conferences.telnyx.inbound import parse

BATCH = 500
TYPED_REGISTERS = ('digit', 'star', 'gathered')


def blank(apps, schema_editor):
    own = _own(apps)
    _in_batches(apps, 'WebhookEvent', partial(_event, own=own), ('account_id', 'event_id', 'received_at', 'body'), 'body')
    _in_batches(apps, 'Leg', partial(_leg, own=own), None, 'facts')


def _in_batches(apps, name, change, columns, changed):
    board = apps.get_model('conferences', 'BoardVersion')
    rows = apps.get_model('conferences', name).objects.order_by('pk')
    last = None
    while True:
        with transaction.atomic():
            list(board.objects.select_for_update())
            page = (rows if last is None else rows.filter(pk__gt=last))
            found = list((page.only(*columns) if columns else page)[:BATCH])
            rows.model.objects.bulk_update([row for row in found if change(row)], [changed])
        if not found:
            return
        last = found[-1].pk


def _event(row, *, own):
    body = bytes(row.body)
    event = parse(body=body, received_at=row.received_at, event_id=row.event_id)
    blanked = without_digits(body, event)
    if blanked is body or own(row.account_id, event.payload):
        return False
    row.body = blanked
    return True


def _leg(row, *, own):
    if not any(name in row.facts for name in TYPED_REGISTERS):
        return False
    said = {key: register[1] for key, register in row.facts.items()}
    if own(row.account_id, {**said, 'call_control_id': row.call_control_id}):
        return False
    # As the blanked webhooks make them: a rebuild finds the same.
    row.facts.pop('digit', None)
    row.facts.pop('star', None)
    if (gathered := row.facts.get('gathered')) is not None and isinstance(gathered[1], dict):
        gathered[1] = {**gathered[1], 'digits': ''}
    return True


def _own(apps):
    """Return the question whether a leg is one of our own ears, as recognition.own_ears answers it."""
    get = partial(apps.get_model, 'conferences')
    ears = {(ear.account_id, ear.call_control_id) for ear in get('Ear').objects.exclude(call_control_id='')}
    marks = {(ear.account_id, str(ear.pk)) for ear in get('Ear').objects.all()}
    roles = {(one.account_id, one.connection_id): one.role for one in get('Connection').objects.all()}
    of_ears = {
        account.pk: account.ear_connection_id or settings.TELNYX_CONNECTION_ID
        for account in get('Account').objects.defer('api_key')
    }
    incoming = get('Leg').objects.filter(direction='incoming')

    def own(account_id, said):
        leg, connection = str(said.get('call_control_id') or ''), str(said.get('connection_id') or '')
        if not leg:
            return False
        if (account_id, leg) in ears or (account_id, _marked(said.get('client_state'))) in marks:
            return True
        role = roles.get((account_id, connection), 'unassigned')
        is_ear = role == 'ear' or (role == 'unassigned' and connection and connection == of_ears.get(account_id))
        return bool(is_ear) and not incoming.filter(account_id=account_id, call_control_id=leg).exists()

    return own


def _marked(client_state):
    try:
        return json.loads(base64.b64decode(client_state or '', validate=True))['floorline_ear']
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
        return None


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('conferences', '0006_feed'),
    ]

    operations = [
        migrations.RunPython(blank, migrations.RunPython.noop),
    ]
