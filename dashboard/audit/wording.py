"""Writes audit entries and spans in the words of supervisors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conferences import names
from conferences.models import AuditEntry, Cause, Command
from conferences.models.supervision import Role

from .spans import STEPS, Span

Action = AuditEntry.Action
Kind = Command.Kind
State = Command.State

_IN_ROLE: dict[str, Promise] = {
    Role.MONITOR: gettext_lazy("%(who)s listened to %(call)s"),
    Role.WHISPER: gettext_lazy("%(who)s whispered to %(names)s in %(call)s"),
    Role.BARGE: gettext_lazy("%(who)s spoke to everyone in %(call)s"),
    Role.NONE: gettext_lazy("%(who)s stayed in %(call)s, heard by everyone"),
}
_DONE: dict[str, Promise] = {
    Action.PENDING_ROLE_DROPPED: gettext_lazy("%(who)s took back what was to follow in %(call)s"),
    Action.FOLLOWED: gettext_lazy("%(who)s followed %(detail)s"),
    Action.FOLLOW_ENDED: gettext_lazy("%(who)s followed nobody any more"),
    Action.NOT_RENEWED: gettext_lazy("%(who)s’s phone was not rung again"),
    Action.ADOPTED: gettext_lazy("The phone system brought %(who)s’s phone into %(call)s"),
    Action.UNSTEERED: gettext_lazy("The phone system brought %(who)s’s phone into %(call)s, not controlled here"),
    Action.UNSTEERED_ENDED: gettext_lazy("%(who)s’s phone, not controlled here, left %(call)s"),
    Action.ROLE_SEEN: gettext_lazy("The phone system changed how %(who)s is in %(call)s: %(role)s"),
    Action.FOUND_INSIDE: gettext_lazy("%(who)s’s phone was found in %(call)s and taken out"),
    Action.SENT_BY_NOTE: gettext_lazy("%(who)s pressed stop in %(call)s; it was sent without the database"),
    Action.STOPPED_BY_NOTE: gettext_lazy("%(who)s was silenced in %(call)s without the database"),
    Action.ENTERING: gettext_lazy("%(who)s asked to join %(call)s"),
    Action.ENDED: gettext_lazy("%(who)s left %(call)s"),
    Action.PROBED: gettext_lazy("The phone account was tested"),
    Action.SIGNED_IN: gettext_lazy("%(who)s signed in"),
    Action.SIGNED_OUT: gettext_lazy("%(who)s signed out"),
    Action.SIGNED_OUT_IDLE: gettext_lazy("%(who)s did nothing for a while and was signed out"),
    Action.SIGN_IN_ENDED: gettext_lazy("%(who)s was signed out: a sign-in lasts one shift"),
    Action.SIGN_IN_FAILED: gettext_lazy("A sign-in failed"),
    Action.SECOND_FACTOR_ADDED: gettext_lazy("%(who)s added a second factor"),
    Action.SECOND_FACTOR_REMOVED: gettext_lazy("The second factor of %(detail)s was removed"),
    Action.SECOND_FACTOR_USED: gettext_lazy("%(who)s used their second factor"),
    Action.RECOVERY_CODES_MADE: gettext_lazy("%(who)s got new recovery codes"),
    Action.RECOVERY_CODES_VIEWED: gettext_lazy("%(who)s looked at their recovery codes"),
    Action.RECOVERY_CODE_USED: gettext_lazy("%(who)s used up a recovery code"),
    Action.SESSION_ENDED: gettext_lazy("%(who)s signed out another browser of theirs"),
    Action.RIGHTS_CHANGED: gettext_lazy("%(who)s changed somebody’s rights"),
    Action.NUMBER_SEARCHED: gettext_lazy("%(who)s searched for a number"),
    Action.NUMBER_SEARCH_REFUSED: gettext_lazy("%(who)s was refused: searched for too many numbers"),
    Action.NUMBER_SHOWN: gettext_lazy("%(who)s had a whole number shown in %(call)s"),
    Action.NUMBER_REFUSED: gettext_lazy("%(who)s was refused a whole number in %(call)s"),
    Action.EVIDENCE_READ: gettext_lazy("%(who)s read a whole record of a call in the admin"),
    Action.SCOPE_CHANGED: gettext_lazy("%(who)s changed who may see or hear calls"),
    Action.SET_UP: gettext_lazy("%(who)s changed how Floorline is set up at Telnyx"),
    Action.AUDIT_EXPORTED: gettext_lazy("%(who)s exported this list"),
}
_COMMANDS: dict[Kind, Promise] = {
    Kind.DIAL: gettext_lazy("%(who)s’s phone: ring"),
    Kind.GATHER: gettext_lazy("%(who)s’s phone: ask for key 1"),
    Kind.JOIN: gettext_lazy("%(who)s: join %(call)s on %(role)s"),
    Kind.UPDATE: gettext_lazy("%(who)s: switch to %(role)s in %(call)s"),
    Kind.LEAVE: gettext_lazy("%(who)s: leave %(call)s"),
    Kind.HANGUP: gettext_lazy("%(who)s’s phone: hang up"),
}
_CONFIRMED: dict[Kind, Promise] = {
    Kind.DIAL: gettext_lazy("%(who)s’s phone rang"),
    Kind.GATHER: gettext_lazy("%(who)s’s phone asked for key 1"),
    Kind.JOIN: gettext_lazy("%(who)s joined %(call)s on %(role)s – confirmed"),
    Kind.UPDATE: gettext_lazy("%(who)s switched to %(role)s in %(call)s – confirmed"),
    Kind.LEAVE: gettext_lazy("%(who)s left %(call)s – confirmed"),
    Kind.HANGUP: gettext_lazy("%(who)s’s phone was hung up – confirmed"),
}
_STATES: dict[State, Promise] = {
    State.ASKED: gettext_lazy("asked for"),
    State.ACCEPTED: gettext_lazy("sent, checking"),
    State.UNCONFIRMED: gettext_lazy("sent, but Telnyx can’t confirm it"),
    State.CONTRADICTED: gettext_lazy("Telnyx shows something else"),
    State.REJECTED: gettext_lazy("refused"),
    State.UNKNOWN: gettext_lazy("no answer yet"),
    State.EXPIRED: gettext_lazy("not done"),
}
_ENDED_BY: dict[Cause, Promise] = {
    Cause.PRESSED: gettext_lazy("ended by a press on the page"),
    Cause.KEYED: gettext_lazy("ended by a key on the phone"),
    Cause.SIGNED_OUT: gettext_lazy("ended by signing out"),
    Cause.CALL_ENDED: gettext_lazy("ended with the call"),
    Cause.CALL_FLOW: gettext_lazy("ended by the phone system"),
    Cause.FOLLOWING: gettext_lazy("ended to follow an agent"),
    Cause.RENEWAL: gettext_lazy("ended because the phone call was renewed"),
    Cause.RIGHTS: gettext_lazy("ended because they were no longer allowed to, or had signed out"),
    Cause.IDLE: gettext_lazy("ended because the phone was not used"),
    Cause.SAFETY: gettext_lazy("ended to make sure that nobody hears them"),
}
# Every other detail is for operators: Telnyx' answers, and what the phone system did.
DETAIL_FOR_ALL = {
    Action.ENDED,
    Action.REFUSED,
    Action.FOLLOW_ENDED,
    Action.NOT_RENEWED,
    Action.SIGNED_IN,
    Action.SIGNED_OUT,
    Action.SIGN_IN_FAILED,
    Action.SECOND_FACTOR_ADDED,
    Action.SECOND_FACTOR_USED,
    Action.RECOVERY_CODES_MADE,
    Action.RECOVERY_CODES_VIEWED,
    Action.RECOVERY_CODE_USED,
    Action.SESSION_ENDED,
    Action.NUMBER_SEARCHED,
    Action.NUMBER_SHOWN,
    Action.NUMBER_REFUSED,
    Action.AUDIT_EXPORTED,
}
# Their sentence holds it already.
DETAIL_IN_SENTENCE = {Action.FOLLOWED, Action.PASSWORD_SET, Action.SECOND_FACTOR_REMOVED}
DETAIL_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Wording:
    """Names what entries only number: the people on the phones, by their ids."""

    called: Mapping[str, str]

    def span(self, span: Span, first: AuditEntry) -> str:
        """Tell a span: "Kim W. whispered to Ana Ruiz in Billing-42"."""
        if span.role in _IN_ROLE:
            return _in_words(_IN_ROLE[span.role], self._facts(first, targets=span.targets))
        text = gettext_lazy("%(who)s did not get into %(call)s") if span.until else None
        return _in_words(text or gettext_lazy("%(who)s is on the way into %(call)s"), self._facts(first))

    def entry(self, entry: AuditEntry) -> str:
        """Tell what happened, in one sentence."""
        facts = self._facts(entry, targets=entry.targets)
        if entry.action == Action.REFUSED:
            return self._refusal(entry, facts)
        if entry.action == Action.PASSWORD_SET:
            return self._password(entry, facts)
        if step := STEPS.get(entry.action):
            return self._step(*step, facts)
        return _in_words(_DONE[entry.action], facts)

    def detail(self, entry: AuditEntry, *, for_staff: bool) -> str:
        """Return what was noted beside it, as far as the reader can use it."""
        told = entry.action not in DETAIL_IN_SENTENCE and (for_staff or entry.action in DETAIL_FOR_ALL)
        return names.plain(entry.detail, limit=DETAIL_LIMIT) if told else ""

    def listed(self, targets: Iterable[object]) -> str:
        """Name the people that a whisper was for."""
        known = [self.called[str(target)] for target in targets if str(target) in self.called]
        lost = len(list(targets)) - len(known)
        return names.listed([*known, *[_("somebody whose name is no longer stored")] * bool(lost)])

    def _facts(self, entry: AuditEntry, *, targets: Iterable[object] = ()) -> dict[str, str]:
        listed = self.listed(list(targets))
        role = str(Role(entry.role).label) if entry.role in Role.values else ""
        return {
            "who": who(entry),
            "call": call_of(entry) or _("a call"),
            "names": listed or _("somebody"),
            "role": _("%(role)s to %(names)s") % {"role": role, "names": listed} if listed and role else role,
            "detail": names.plain(entry.detail),
        }

    def _refusal(self, entry: AuditEntry, facts: Mapping[str, str]) -> str:
        if entry.conference_id is None:
            return _("%(who)s was refused") % facts
        return _("%(who)s was refused: %(role)s in %(call)s") % facts

    def _step(self, kind: Kind, state: State, facts: Mapping[str, str]) -> str:
        if state == State.VERIFIED:
            return _in_words(_CONFIRMED[kind], facts)
        return f"{_in_words(_COMMANDS[kind], facts)} – {_STATES[state]}"

    def _password(self, entry: AuditEntry, facts: Mapping[str, str]) -> str:
        if entry.actor is None or entry.detail in {"their own", "their own, by mail", entry.actor.get_username()}:
            return _("%(who)s changed their password") % facts
        return _("%(who)s set the password of %(detail)s") % facts


def who(entry: AuditEntry) -> str:
    """Name the person; nobody is known where a sign-in failed."""
    return names.person(entry.actor) if entry.actor is not None else _("Somebody")


def call_of(entry: AuditEntry) -> str:
    """Name the call, empty where an entry is about none."""
    return names.plain(entry.conference_name)


def why_ended(span: Span) -> str:
    """Return why a span ended: what was pressed or what made it follow, else what was noted with the end."""
    if span.ended_by is None:
        return ""
    if span.ended_by.action != Action.ENDED:
        return _cause(span.ended_by)
    ways_out = [entry for entry in span.entries if STEPS.get(entry.action, ("",))[0] in {Kind.LEAVE, Kind.HANGUP}]
    causes = [_cause(entry) for entry in ways_out if entry.cause]
    return causes[-1] if causes else names.plain(span.ended_by.detail, limit=DETAIL_LIMIT)


def _cause(entry: AuditEntry) -> str:
    return str(_ENDED_BY[Cause(entry.cause)]) if entry.cause in Cause.values else ""


def _in_words(text: Promise, facts: Mapping[str, str]) -> str:
    return str(text) % facts
