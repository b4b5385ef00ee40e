"""Who hears me now, in words and as a picture: one circle for me, one for everybody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from conferences.models.supervision import Role

from . import names
from .progress import Heard

ROW_HEIGHT = 46
SHOWN = 6


@dataclass(frozen=True, slots=True)
class Listener:
    """Somebody else in the conference, and whether they hear me."""

    name: str
    called: str
    """The name as a sentence says it."""
    customer: bool
    """A customer, or a leg of which nobody knows that it is not one."""
    unknown: bool
    hears: Heard
    on_hold: bool


@dataclass(frozen=True, slots=True)
class Node:
    """A listener's place in the picture."""

    name: str
    initial: str
    words: str
    hears: Heard
    customer: bool
    y: int


@dataclass(frozen=True, slots=True)
class Audience:
    """The picture and its sentence."""

    sentence: str
    warning: str
    role: str
    inside: bool
    nodes: tuple[Node, ...]
    more: int
    height: int

    @property
    def middle(self) -> int:
        return self.height // 2


def audience_of(listeners: Sequence[Listener], *, role: str, inside: bool, coming: bool) -> Audience:
    """Draw and say who hears a supervisor; `coming` means that the ear is on its way in."""
    shown = listeners[:SHOWN]
    return Audience(
        sentence=_sentence(listeners, role=role, inside=inside, coming=coming),
        warning=_warning(listeners),
        role=role if inside else "",
        inside=inside,
        nodes=tuple(
            Node(
                name=listener.name,
                initial=_initial(listener),
                words=_words(listener, inside=inside),
                hears=listener.hears,
                customer=listener.customer,
                y=ROW_HEIGHT * number + ROW_HEIGHT // 2,
            )
            for number, listener in enumerate(shown)
        ),
        more=len(listeners) - len(shown),
        height=max(2, len(shown)) * ROW_HEIGHT,
    )


def _sentence(listeners: Sequence[Listener], *, role: str, inside: bool, coming: bool) -> str:
    if any(listener.hears == Heard.MAYBE for listener in listeners):
        maybe = [listener.called for listener in listeners if listener.hears != Heard.NO]
        return _("Not certain yet: assume that %(names)s may hear you.") % {"names": names.listed(maybe)}
    if coming and not inside:
        return _("Nobody hears you. Your line is on its way in, silently.")
    if not inside:
        return _("You are not in this call. Nobody hears you.")
    hearing = [listener.called for listener in listeners if listener.hears == Heard.YES]
    if not hearing:
        return _("Nobody hears you. You hear everyone.")
    if role != Role.WHISPER:
        return _("Everyone hears you: %(names)s.") % {"names": names.listed(hearing)}
    only = (_("Only %(names)s hears you.") if len(hearing) == 1 else _("Only %(names)s hear you.")) % {
        "names": names.listed(hearing)
    }
    if not any(listener.customer for listener in listeners):
        return only
    return only + " " + _("The customer does not.")


def _warning(listeners: Sequence[Listener]) -> str:
    deaf = [listener.called for listener in listeners if listener.hears == Heard.YES and listener.on_hold]
    return _("%(names)s cannot hear you now: on hold.") % {"names": names.listed(deaf)} if deaf else ""


def _initial(listener: Listener) -> str:
    if listener.unknown:
        return "?"
    if listener.customer:
        return _("C")
    return "".join(word[0] for word in listener.name.split()[:2]).upper()


def _words(listener: Listener, *, inside: bool) -> str:
    who = _("unknown") if listener.unknown else _("customer") if listener.customer else _("agent")
    if listener.hears == Heard.MAYBE:
        return _("%(who)s · may hear you") % {"who": who}
    if listener.hears == Heard.YES:
        return _("%(who)s · hears you") % {"who": who}
    return _("%(who)s · does not hear you") % {"who": who} if inside else who
