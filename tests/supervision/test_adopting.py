"""A supervisor whom the center's own call flow brought in: seen, steered, and never hung up on a mere Leave."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from conferences.models import AuditEntry, Ear, SupervisorSession, UnsteeredLine
from conferences.models.supervision import Role
from conferences.projection.listings import note_participants
from conferences.sandbox.center import directory
from conferences.sandbox.telephony import calls, membership
from conferences.sandbox.telephony.state import Role as WorldRole
from conferences.sandbox.telephony.state import SandboxLeg
from conferences.supervision import disconnect, leave, quieter
from conferences.telnyx.client import Client
from dashboard.desk.desk import Desk, desk

from .conftest import Call, Floor

pytestmark = pytest.mark.slow


@dataclass
class Brought:
    """Kim's desk phone in a call with Ana and Max, dialled by the center on its own application."""

    call: Call
    leg: SandboxLeg

    def role(self, role: WorldRole, *whom: str) -> None:
        """The call flow changes the role, as a program beside Floorline would."""
        assert self.leg.participant is not None
        conference = self.leg.participant.conference
        ids = [
            participant.leg.call_control_id
            for participant in conference.participants.values()
            if participant.leg.label in whom
        ]
        membership.set_role(self.call.floor.world, self.leg.participant, role=role, whisper_to=ids)

    @property
    def session(self) -> SupervisorSession:
        return SupervisorSession.objects.select_related("ear").get(ended_at=None)


def bring(floor: Floor, role: WorldRole = "none", *whom: str, to: str = "sip:kim@sip.telnyx.com") -> Brought:
    call = floor.call(agents=("Ana Ruiz", "Max Falk"))
    leg = calls.dial(
        floor.world,
        connection_id=directory.CALLS_CONNECTION_ID,
        from_=directory.FROM_NUMBER,
        to=to,
        kind="supervisor",
        label="Kim",
    )
    calls.answer(floor.world, leg)
    assert call.scene.conference is not None
    membership.join(floor.world, call.scene.conference, leg)
    brought = Brought(call, leg)
    brought.role(role, *whom)
    floor.wait(8)
    return brought


def posted(floor: Floor) -> list[str]:
    return [entry["path"].rpartition("/")[2] for entry in floor.api.log if entry["method"] == "POST"]


@pytest.mark.parametrize(
    ("role", "whom", "shown", "targets"),
    [
        ("none", (), Role.NONE, set()),
        ("barge", (), Role.NONE, set()),
        ("monitor", (), Role.MONITOR, set()),
        ("whisper", ("Ana Ruiz",), Role.WHISPER, {"Ana Ruiz"}),
        ("whisper", ("Ana Ruiz", "Max Falk"), Role.WHISPER, {"Ana Ruiz", "Max Falk"}),
        # The customer is on the list: to call that a whisper would hide who hears it.
        ("whisper", ("Ana Ruiz", "+4930123456142"), Role.NONE, set()),
    ],
)
def test_the_leg_is_pinned_to_kim_in_the_role_that_telnyx_shows(
    floor: Floor, kim: User, role: WorldRole, whom: tuple[str, ...], shown: Role, targets: set[str]
) -> None:
    brought = bring(floor, role, *whom)
    session = brought.session
    names = {name for name, leg in brought.call.legs().items() if str(leg.pk) in session.targets}
    assert (session.user, session.stage, session.role, names) == (kim, "inside", shown, targets)
    assert not session.ear.dialled_by_us
    assert session.verified_at is not None
    assert AuditEntry.objects.filter(action="adopted", actor=kim, conference_id=brought.call.conference.pk).exists()


def test_a_leg_whose_role_cannot_be_read_counts_as_audible(floor: Floor, kim: User) -> None:
    floor.world.semantics.monitor_reads_muted = False
    assert bring(floor, "monitor").session.role == Role.NONE


def test_until_kim_gives_a_command_nothing_is_sent_whatever_happens(floor: Floor, kim: User) -> None:
    brought = bring(floor)
    calls.set_sip_hold(floor.world, brought.leg, held=True)
    for digit in "*9":
        calls.press(floor.world, brought.leg, digit=digit)
    floor.wait(130)  # no page is open
    kim.team_memberships.update(may_barge=False)
    floor.wait(2)
    for leg in [brought.call.scene.customer, *brought.call.scene.agents]:
        assert leg is not None
        membership.hangup(floor.world, leg, source="caller")
    floor.wait(8)
    assert posted(floor) == []
    assert brought.leg.participant is not None


def test_the_screen_follows_what_the_call_flow_does_with_the_role(floor: Floor, kim: User) -> None:
    brought = bring(floor, "monitor")
    brought.role("whisper", "Max Falk")
    floor.wait(12)
    assert brought.session.role == Role.WHISPER
    brought.role("barge")
    floor.wait(12)
    assert brought.session.role == Role.NONE
    assert posted(floor) == []


def test_kims_commands_work_on_it_as_on_any_ear(floor: Floor, kim: User) -> None:
    brought = bring(floor)
    quieter(user=kim, now=floor.now)
    floor.wait(3)
    assert brought.call.who_hears(brought.session) == set()
    brought.call.choose(kim, Role.WHISPER, "Max Falk")
    floor.wait(3)
    assert brought.call.who_hears(brought.session) == {"Max Falk"}
    assert {body["call_control_id"] for body in floor.sent("/update")} == {brought.leg.call_control_id}


def test_an_adopted_line_needs_an_open_page_once_a_command_was_given(floor: Floor, kim: User) -> None:
    brought = bring(floor)
    brought.call.choose(kim, Role.WHISPER, "Ana Ruiz")
    floor.wait(64)
    assert brought.session.role == Role.MONITOR


@pytest.mark.parametrize("way_out", [leave, disconnect])
def test_leave_and_disconnect_take_it_out_and_leave_the_line_up(floor: Floor, kim: User, way_out: object) -> None:
    brought = bring(floor)
    way_out(user=kim, now=floor.now)  # type: ignore[operator]
    floor.wait(10)
    assert posted(floor) == ["leave"]
    assert brought.leg.participant is None
    assert brought.leg.alive
    assert not Ear.objects.filter(ended_at=None).exists()


def test_going_to_another_call_dials_kims_own_line(floor: Floor, kim: User) -> None:
    bring(floor)
    other = floor.call()
    session = other.bring_in(kim)
    assert session.ear.dialled_by_us
    assert posted(floor)[:2] == ["leave", "calls"]


def test_an_audible_leg_that_telnyx_does_not_let_go_is_hung_up(floor: Floor, kim: User) -> None:
    brought = bring(floor)
    floor.fault("*/actions/leave", status=200, times=99)
    leave(user=kim, now=floor.now)
    floor.wait(14)
    assert posted(floor)[-1] == "hangup"
    assert not brought.leg.alive


def test_when_the_call_flow_brings_it_back_it_is_pinned_again(floor: Floor, kim: User) -> None:
    brought = bring(floor)
    leave(user=kim, now=floor.now)
    floor.wait(10)
    assert not SupervisorSession.objects.filter(ended_at=None).exists()
    assert brought.call.scene.conference is not None
    membership.join(floor.world, brought.call.scene.conference, brought.leg, role="monitor")
    floor.wait(8)
    assert brought.session.role == Role.MONITOR
    assert Ear.objects.count() == 1


def test_a_line_that_is_up_already_stays_the_one_ear(floor: Floor, kim: User) -> None:
    first = floor.call()
    session = first.bring_in(kim)
    membership.hangup(floor.world, first.scene.agents[0], source="callee")
    bring(floor)
    assert [ear.pk for ear in Ear.objects.filter(ended_at=None)] == [session.ear_id]


@pytest.mark.parametrize("why", ["no right", "not active", "somebody else's number"])
def test_who_may_not_listen_gets_no_controls(floor: Floor, kim: User, why: str) -> None:
    if why == "no right":
        kim.team_memberships.all().delete()
    elif why == "not active":
        User.objects.filter(pk=kim.pk).update(is_active=False)
    brought = bring(floor, to="sip:kim@pbx.example.com" if why == "somebody else's number" else kim.lines.get().address)
    assert not Ear.objects.exists()
    assert brought.leg.participant is not None
    assert posted(floor) == []


def test_a_lost_right_ends_the_controls_and_sends_nothing(floor: Floor, kim: User) -> None:
    brought = bring(floor)
    kim.team_memberships.all().delete()
    floor.wait(2)
    assert not SupervisorSession.objects.filter(ended_at=None).exists()
    floor.wait(5)
    assert (posted(floor), brought.leg.participant is not None) == ([], True)


def test_looking_for_legs_to_adopt_changes_nothing_on_a_floor_without_any(floor: Floor, kim: User) -> None:
    from conferences.changes import current
    from conferences.supervision import adopt

    kim.team_memberships.all().delete()
    bring(floor)
    before = current().version
    adopt(now=floor.now + timedelta(seconds=1))
    assert current().version == before


# --- Lines that nobody steers from here are recorded ------------------------------------------------------------------


def recorded(kim: User) -> list[tuple[str, str]]:
    """Return what the audit says of Kim's unsteered lines, in order."""
    entries = AuditEntry.objects.filter(actor=kim, action__in=["unsteered line", "role seen", "unsteered line ended"])
    return list(entries.order_by("pk").values_list("action", "role"))


def shown_to(viewer: User, brought: Brought) -> Desk:
    page = desk(viewer, conference_id=brought.call.conference.pk, now=brought.call.floor.now)
    assert page is not None
    return page


@pytest.mark.parametrize("why", ["no right", "not active"])
def test_the_line_of_somebody_without_the_right_is_recorded_from_its_first_sight_to_its_end(
    floor: Floor, kim: User, lena: User, why: str
) -> None:
    if why == "no right":
        kim.team_memberships.all().delete()
    else:
        User.objects.filter(pk=kim.pk).update(is_active=False)
    brought = bring(floor, "monitor")
    brought.role("barge")
    floor.wait(8)
    page = shown_to(lena, brought)
    assert [(one.name, one.headline) for one in page.others] == [
        ("Kim W.", "stay in the call, not allowed to listen here")
    ]
    assert "Kim W." in {leg.name for leg in page.legs}
    membership.hangup(floor.world, brought.leg)
    floor.wait(2)
    assert recorded(kim) == [
        ("unsteered line", "none"),  # not read yet
        ("role seen", "monitor"),
        ("role seen", "none"),
        ("unsteered line ended", "none"),
    ]
    assert shown_to(lena, brought).others == ()
    assert posted(floor) == []


def test_a_second_line_of_somebody_is_recorded_beside_the_one_in_use(floor: Floor, kim: User, lena: User) -> None:
    first = floor.call()
    session = first.bring_in(kim)
    sent = len(posted(floor))
    membership.hangup(floor.world, first.scene.agents[0], source="callee")
    brought = bring(floor, "monitor")
    row = UnsteeredLine.objects.get()
    assert (row.user, row.reason, row.ended_at, row.conference) == (kim, "other line", None, brought.call.conference)
    assert row.ended_at is None
    for viewer in (kim, lena):
        assert "another phone is in use" in shown_to(viewer, brought).others[0].headline
    assert [ear.pk for ear in Ear.objects.filter(ended_at=None)] == [session.ear_id]
    assert not [path for path in posted(floor)[sent:] if path not in {"leave"}]


def test_a_line_goes_on_being_recorded_after_a_right_was_lost(floor: Floor, kim: User, lena: User) -> None:
    brought = bring(floor, "monitor")
    kim.team_memberships.all().delete()
    floor.wait(2)
    row = UnsteeredLine.objects.get(ended_at=None)
    assert (row.user, row.reason, row.role) == (kim, "no right", "monitor")
    ended = SupervisorSession.objects.get().ended_at
    assert ended is not None
    assert row.started_at - ended <= timedelta(seconds=1)
    assert "Kim W." in {one.name for one in shown_to(lena, brought).others}


def test_a_recorded_line_is_steered_once_its_owner_may_listen(floor: Floor, kim: User) -> None:
    rights = list(kim.team_memberships.all())
    kim.team_memberships.all().delete()
    brought = bring(floor, "monitor")
    for right in rights:
        right.save(force_insert=True)
    floor.wait(2)
    assert brought.session.user == kim
    assert not UnsteeredLine.objects.filter(ended_at=None).exists()


def test_a_line_is_steered_again_once_a_lost_right_is_back(floor: Floor, kim: User) -> None:
    brought = bring(floor, "monitor")
    kim.team_memberships.update(may_monitor=False)
    floor.wait(3)
    assert UnsteeredLine.objects.get(ended_at=None).reason == "no right"
    kim.team_memberships.update(may_monitor=True)
    floor.wait(3)
    assert brought.session.user == kim
    assert not UnsteeredLine.objects.filter(ended_at=None).exists()


@pytest.mark.parametrize("behind", [0, 60, -60])
def test_a_line_that_comes_back_at_once_is_pinned_again_by_any_clock(floor: Floor, kim: User, behind: float) -> None:
    floor.set_clock_behind(behind)
    brought = bring(floor, "monitor")
    participant = brought.leg.participant
    assert participant is not None
    membership.leave(floor.world, participant)
    floor.wait(1)
    assert not SupervisorSession.objects.filter(ended_at=None).exists()
    membership.join(floor.world, participant.conference, brought.leg, role="monitor")
    floor.wait(2)
    assert brought.session.user == kim


def test_a_line_that_leaves_unheard_is_recorded_as_ended_within_ten_seconds(floor: Floor, kim: User) -> None:
    floor.world.semantics.left_stay_listed = False
    kim.team_memberships.all().delete()
    brought = bring(floor, "monitor")
    floor.wait(20)  # past the readings of a call that has just begun
    assert UnsteeredLine.objects.filter(ended_at=None).exists()
    floor.webhooks_lost = True
    assert brought.leg.participant is not None
    membership.leave(floor.world, brought.leg.participant)
    floor.wait(10, until=lambda: not UnsteeredLine.objects.filter(ended_at=None).exists())


def test_a_line_that_floorline_took_out_is_not_recorded_as_listening(floor: Floor, kim: User) -> None:
    floor.world.semantics.left_stay_listed = False
    brought = bring(floor)
    brought.call.choose(kim, Role.MONITOR)
    floor.wait(2)
    floor.webhooks_lost = True
    kim.team_memberships.all().delete()
    floor.wait(10)
    assert brought.leg.participant is None
    assert not UnsteeredLine.objects.exists()


def test_a_line_that_was_listed_while_it_was_leaving_for_another_call_is_not_recorded_as_inside(
    floor: Floor, kim: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor.world.semantics.left_stay_listed = False
    brought = bring(floor)
    brought.call.choose(kim, Role.MONITOR)
    floor.wait(2)
    other = floor.call()
    floor.webhooks_lost = True
    really_leave = Client.leave

    def leave_slowly(client: Client, **given: Any) -> None:
        floor.world.advance(floor.world.now + 1)
        floor.travel.move_to(floor.now)
        conference = brought.call.conference
        note_participants(conference=conference, reads=client.participants(conference.telnyx_id), at=floor.now)
        really_leave(client, **given)

    monkeypatch.setattr(Client, "leave", leave_slowly)
    other.choose(kim, Role.MONITOR)
    floor.wait(2)

    assert brought.leg.participant is None
    assert not UnsteeredLine.objects.exists()
    assert [session.conference for session in SupervisorSession.objects.filter(ended_at=None)] == [other.conference]
