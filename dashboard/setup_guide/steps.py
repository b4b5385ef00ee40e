"""Judges what is known of an account: one pure function for each step, from the evidence to what the page says."""

from __future__ import annotations

from collections.abc import Callable

from django.urls import reverse
from django.utils.translation import gettext as _

from . import mistakes
from .evidence import AccountEvidence
from .milestones import Milestone
from .step import Link, SetupStep, StepState, ago, step


def steps(seen: AccountEvidence) -> tuple[SetupStep, ...]:
    """Return the steps of an account, in their order."""
    return tuple(judge(seen) for judge in _STEPS)


def api_key(seen: AccountEvidence) -> SetupStep:
    """Judge by whether Telnyx was read with the key."""
    if not seen.has_key:
        shown_by = _("No API key is entered.")
        next_step = (
            _("Create one in the Telnyx portal (Keys & Credentials), and paste it.")
            if seen.may_store_key
            else _("First set FIELD_KEYS (“floorline new_field_key” makes one) and restart. Then create an API key.")
        )
    elif seen.checked_at is None:
        shown_by = _("A key is entered. Telnyx has not been read with it yet.")
        next_step = _("Wait a few seconds. If nothing changes, look whether the worker is running.")
    else:
        shown_by = _("Telnyx was last read %(ago)s.") % {"ago": ago(seen.checked_at, now=seen.now)}
        next_step = ""
    waits = seen.has_key and seen.checked_at is None
    return step(
        seen,
        Milestone.API_KEY,
        _("API key"),
        shown_by,
        next_step,
        link=_account(seen),
        recognise=(mistakes.not_read,),
        otherwise=StepState.UNKNOWN if waits else StepState.TO_DO,
    )


def public_key(seen: AccountEvidence) -> SetupStep:
    """Judge by whether webhooks can be verified, and whether they were; those of phones are needed by polling, too."""
    is_reached = Milestone.PUBLIC_KEY in seen.reached
    if not is_reached:
        shown_by = _("No public key is entered.")
    elif seen.heard_at is None:
        shown_by = _("A public key is entered. No webhook has been verified with it yet.")
    else:
        shown_by = _("It verified a webhook %(ago)s.") % {"ago": ago(seen.heard_at, now=seen.now)}
    next_step = _("Copy it from the Telnyx portal (Keys & Credentials, Public Key).")
    return step(
        seen,
        Milestone.PUBLIC_KEY,
        _("Public key"),
        shown_by,
        "" if is_reached else next_step,
        link=_account(seen),
        recognise=(mistakes.refused_webhooks,),
    )


def feed(seen: AccountEvidence) -> SetupStep:
    """Judge by whether news of calls arrives: by webhooks, or by asking."""
    if seen.is_polled:
        at, none_yet = seen.checked_at, _("Telnyx has not been asked yet.")
        sentence, title = _("Telnyx was asked %(ago)s."), _("Polling")
        next_step = _("Floorline asks by itself once it has an API key.")
    else:
        at, none_yet = seen.heard_at, _("No webhook has arrived yet.")
        sentence, title = _("Last webhook %(ago)s."), _("First webhook")
        next_step = _(
            "Set the webhook address of your Call Control application to %(url)s, API version 2. Then place a call."
        ) % {"url": seen.webhook_url}
    arrivals = (
        mistakes.wrong_format,
        mistakes.wrong_clock,
        mistakes.stopped_feed,
    )
    return step(
        seen,
        Milestone.FEED,
        title,
        none_yet if at is None else sentence % {"ago": ago(at, now=seen.now)},
        next_step if at is None else "",
        link=_account(seen),
        recognise=(*(() if seen.is_polled else arrivals), mistakes.wrong_region, mistakes.bridged_calls),
    )


def ear_application(seen: AccountEvidence) -> SetupStep:
    """Judge by whether Telnyx accepts to ring phones on it: only a dial shows whether it has an outbound profile."""
    is_reached = Milestone.EAR_APPLICATION in seen.reached
    if not is_reached:
        shown_by = _("No ear application is entered.")
        next_step = _("Create one in the portal with an outbound voice profile, and enter its id.")
    elif seen.rung_at is None:
        shown_by = _("It is entered. Whether it has an outbound voice profile shows when a phone is first rung.")
        next_step = ""
    else:
        shown_by = _("It rang a phone %(ago)s.") % {"ago": ago(seen.rung_at, now=seen.now)}
        next_step = ""
    return step(
        seen,
        Milestone.EAR_APPLICATION,
        _("Ear application and outbound profile"),
        shown_by,
        next_step,
        link=_at_telnyx(seen),
        recognise=(mistakes.refused_ear_application, mistakes.wrong_ear_application),
        reached_is=StepState.DONE if seen.rung_at else StepState.UNKNOWN,
    )


def caller_number(seen: AccountEvidence) -> SetupStep:
    """Judge by whether there is a number that supervisors' phones show."""
    is_reached = Milestone.CALLER_NUMBER in seen.reached
    return step(
        seen,
        Milestone.CALLER_NUMBER,
        _("Caller number"),
        _("A number is entered.") if is_reached else _("No number is entered."),
        "" if is_reached else _("Enter a number of this account. Supervisors' phones show it."),
        link=_at_telnyx(seen),
        recognise=(mistakes.refused_caller_number,),
    )


def connections(seen: AccountEvidence) -> SetupStep:
    """Judge by whether it is known which of Telnyx' connections carry calls."""
    with_role = sum(number for role, number in seen.connections.items() if role != "unassigned")
    is_reached = Milestone.CONNECTIONS in seen.reached
    if seen.is_polled and not seen.connections:
        shown_by = _("Not needed: polling does not tell by which application a call came.")
    elif not seen.connections:
        shown_by = _("None has been seen yet. They appear with the first call.")
    else:
        shown_by = _("%(known)d of %(all)d phone applications have a role.") % {
            "known": with_role,
            "all": sum(seen.connections.values()),
        }
    return step(
        seen,
        Milestone.CONNECTIONS,
        _("Roles of phone applications"),
        shown_by,
        "" if is_reached else _("Place a call. Then choose “calls” for the application that it came by."),
        link=Link(
            _("Phone applications"),
            reverse("admin:conferences_connection_changelist"),
            "conferences.view_connection",
        ),
        recognise=(mistakes.unassigned_connections, mistakes.wrong_center_application),
    )


def people(seen: AccountEvidence) -> SetupStep:
    """Judge by whether there is an agent, and somebody with a phone who may whisper to them."""
    known = seen.people
    told = _(
        "Teams: %(teams)d. Agents: %(agents)d. People who may whisper: %(supervisors)d, with a phone: %(with_phone)d."
    ) % {
        "teams": known.teams,
        "agents": known.agents,
        "supervisors": known.supervisors,
        "with_phone": known.with_phone,
    }
    if not known.teams:
        next_step, link = _("Add a team."), Link(_("Add a team"), *_add("team"))
    elif not known.agents and known.unrecognised:
        next_step = _("Choose an agent's leg among the callers that are not recognised, and make an agent of it.")
        link = Link(_("Unrecognised callers"), reverse("admin:conferences_leg_changelist"), "conferences.view_leg")
    elif not known.agents:
        next_step = _("Add an agent of that team, with the SIP user name or the reference of their calls.")
        link = Link(_("Add an agent"), *_add("agent"))
    else:
        next_step = _("Give somebody the right to whisper in that team, and a phone.")
        link = Link(_("Supervisors"), reverse("admin:conferences_supervisor_changelist"), "auth.view_user")
    is_reached = Milestone.PEOPLE in seen.reached
    title = _("Teams, agents, supervisors and their phones")
    return step(seen, Milestone.PEOPLE, title, told, "" if is_reached else next_step, link=link)


def phone(seen: AccountEvidence) -> SetupStep:
    """Judge by whether a supervisor's phone has rung and was answered."""
    if seen.answered_at is not None:
        shown_by = _("A phone was answered %(ago)s.") % {"ago": ago(seen.answered_at, now=seen.now)}
    elif seen.unanswered is not None:
        when = {"ago": ago(seen.unanswered.at, now=seen.now), "said": seen.unanswered.said}
        shown_by = _("The last phone was rung %(ago)s. %(said)s") % when
    else:
        shown_by = _("No phone has rung yet.")
    return step(
        seen,
        Milestone.PHONE,
        _("A phone rings and is answered"),
        shown_by,
        "" if seen.answered_at else _("Connect your phone and answer it. On a telephone number, press 1."),
        link=Link(_("My phone"), reverse("my-ear")),
        recognise=(mistakes.other_refused_dial, mistakes.unreached_phone),
    )


def probe(seen: AccountEvidence) -> SetupStep:
    """Judge by whether it was tested what this account does with roles."""
    if seen.probed_at is None:
        shown_by = _("Not tested. Until then Floorline assumes the worse answer to each question.")
    else:
        shown_by = _("Tested %(ago)s.") % {"ago": ago(seen.probed_at, now=seen.now)}
    return step(
        seen,
        Milestone.PROBE,
        _("Probe"),
        shown_by,
        ""
        if seen.probed_at
        else _("Take three phones, and run “floorline probe” on the server. It takes ten minutes."),
        link=_account(seen),
        recognise=(mistakes.harmful_monitor,),
    )


def whisper(seen: AccountEvidence) -> SetupStep:
    """Judge by whether Telnyx has confirmed a whisper."""
    if seen.whispered_at is None:
        shown_by = _("No whisper has been confirmed by Telnyx yet.")
    else:
        shown_by = _("Telnyx confirmed a whisper %(ago)s.") % {"ago": ago(seen.whispered_at, now=seen.now)}
    return step(
        seen,
        Milestone.WHISPER,
        _("First verified whisper"),
        shown_by,
        "" if seen.whispered_at else _("Open a call, press Monitor, tick the agent, and press Whisper."),
        link=Link(_("To the floor"), reverse("floor")),
    )


_STEPS: tuple[Callable[[AccountEvidence], SetupStep], ...] = (
    *(api_key, public_key, feed, ear_application, caller_number),
    *(connections, people, phone, probe, whisper),
)


def _at_telnyx(seen: AccountEvidence) -> Link:
    """Lead to where it is chosen from what the account has, once there is a key to read it with."""
    if not seen.has_key:
        return _account(seen)
    url = reverse("admin:account_at_telnyx", args=[seen.account_id])
    return Link(_("Read from Telnyx"), url, "conferences.change_account")


def _account(seen: AccountEvidence) -> Link:
    url = reverse("admin:conferences_account_change", args=[seen.account_id])
    return Link(_("Telnyx account"), url, "conferences.view_account")


def _add(model: str) -> tuple[str, str]:
    return reverse(f"admin:conferences_{model}_add"), f"conferences.add_{model}"
