"""Turns stored commands into requests to Telnyx."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from conferences.fast_sql import load_rows
from conferences.models import Command, Conference, Ear, Leg
from conferences.models.supervision import Role
from conferences.telnyx.client import Client
from conferences.telnyx.roles import Barge, Monitor, MyLeg, RoleNone, SupervisorRole, Whisper

# A silencing command does not wait for a lost answer: the same command is sent again at once, as Telnyx advises
# (https://developers.telnyx.com, command retries: after 500 ms), then with more patience.
SILENCING_PATIENCE = (0.7, 1.5)
PATIENCE = 4.0


def my_leg(ear: Ear) -> MyLeg:
    """Return the supervisor's own leg: the only one that commands can name."""
    return MyLeg(ear.call_control_id)


def send_join(client: Client, command: Command) -> None:
    """Send a stored join: the ear's leg enters the command's conference, in its role."""
    ear, conference = _pinned(command)
    client.join(command_id=command.pk, conference_id=conference.telnyx_id, my_leg=my_leg(ear), role=_role(command))


def send_role(client: Client, command: Command) -> None:
    """Send a stored change of role in the command's conference."""
    ear, conference = _pinned(command)
    client.set_role(
        command_id=command.pk,
        conference_id=conference.telnyx_id,
        my_leg=my_leg(ear),
        role=_role(command),
        patience=patience(command),
    )


def send_leave(client: Client, command: Command) -> None:
    """Send a stored leave: the ear's leg goes out of the command's conference and stays connected."""
    ear, conference = _pinned(command)
    client.leave(
        command_id=command.pk, conference_id=conference.telnyx_id, my_leg=my_leg(ear), patience=patience(command)
    )


def send_hangup(client: Client, command: Command) -> None:
    """Send a stored hang-up of the ear's leg; a command without an ear names no leg, and nothing is sent."""
    if command.ear is not None:
        client.hangup(command_id=command.pk, my_leg=my_leg(command.ear), patience=patience(command))


def _pinned(command: Command) -> tuple[Ear, Conference]:
    if command.ear is None or command.conference is None:
        raise RuntimeError("a conference command belongs to an ear and a conference")
    return command.ear, command.conference


def _role(command: Command) -> SupervisorRole:
    if command.role == Role.WHISPER:
        ids = target_call_control_ids(command.targets)
        return Whisper(ids[0], tuple(ids[1:]))
    roles: dict[str, SupervisorRole] = {Role.MONITOR: Monitor(), Role.BARGE: Barge(), Role.NONE: RoleNone()}
    return roles[command.role]


def target_call_control_ids(targets: Collection[str]) -> list[str]:
    """Return Telnyx's ids for our own leg ids, in order."""
    known = {str(leg.pk): leg.call_control_id for leg in load_rows(Leg, id=[UUID(target) for target in targets])}
    return [known[str(target)] for target in targets if str(target) in known]


def patience(command: Command) -> float:
    """Return how many seconds this attempt waits for its answer."""
    hedged = command.is_quieter and 0 < command.attempts <= len(SILENCING_PATIENCE)
    return SILENCING_PATIENCE[command.attempts - 1] if hedged else PATIENCE
