"""Formats names of people, conferences and numbers for the screen: short, harmless, masked."""

from __future__ import annotations

import re
import unicodedata

from django.contrib.auth.models import User
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from .masks import MASK, masked_within, numbers_within
from .models import Conference, Leg
from .telnyx.addresses import Kind, read_address

NAME_LIMIT = 60

# Country codes have one, two or three digits (ITU-T E.164).
_CODE = re.compile(r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[0-9]{3}")
# Letters that Unicode does not take apart into a letter and an accent.
_WITHOUT_STROKE = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ŧ": "t", "æ": "ae", "œ": "oe", "þ": "th"}
)


def plain(text: str, *, limit: int = NAME_LIMIT) -> str:
    """Return a text as one short, harmless line, in which telephone numbers are masked; templates escape it."""
    # Masked before it is cut: the beginning of a number would stand at the end of the line.
    return _cut(masked_within(_one_line(text, limit=limit)), limit=limit)


def harmless(text: str, *, limit: int = NAME_LIMIT) -> str:
    """Return one short line without control, bidi or invisible characters, and with its numbers.

    Only for what is compared or searched for, and for what a colleague wrote to be read: everything else is `plain`.
    """
    return _cut(_one_line(text, limit=limit), limit=limit)


def _one_line(text: str, *, limit: int) -> str:
    # Cut first: a caller may have sent ten kilobytes, and only the beginning can be shown anyway.
    kept = (
        " " if character.isspace() else character
        for character in text[: limit * 8]
        if character.isspace() or unicodedata.category(character)[0] != "C"
    )
    return " ".join("".join(kept).split())


def _cut(line: str, *, limit: int) -> str:
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def masked(address: str) -> str:
    """Return a caller's number as its country code and last three digits; of other addresses only what they are."""
    read = read_address(address)
    match read.kind:
        case Kind.NUMBER:
            code = _CODE.match(read.digits) if read.international else None
            return f"+{code.group()} {_mask(read.digits)}" if code else _mask(read.digits)
        case Kind.EXTENSION:
            return _("extension %(end)s") % {"end": _mask_short(read.digits)}
        case Kind.SHORT:
            return _("short number %(end)s") % {"end": _mask_short(read.digits)}
        case Kind.SIP:
            return _("SIP caller")
        case Kind.WITHHELD:
            return _("number withheld")
    return _("number unknown")


def _mask(number: str) -> str:
    return f"{MASK}{number[-3:]}"


def queue_key(queue: str) -> str:
    """Return what names a queue in addresses: itself, or a keyed hash where its name holds a telephone number."""
    named = harmless(queue, limit=100)
    return salted_hmac("conferences.names.queue_key", named).hexdigest()[:16] if numbers_within(named) else named


def _mask_short(number: str) -> str:
    """Return the last two digits where enough others stay hidden."""
    return f"••{number[-2:]}" if len(number) > 3 else "••"


def conference_name(conference: Conference) -> str:
    """Return a conference's name, or a stand-in until the name is known."""
    return plain(conference.name) or stand_in(id_start(conference))


def id_start(conference: Conference) -> str:
    """Return the beginning of Telnyx's id, by which a conference without a name is found."""
    return harmless(conference.telnyx_id, limit=8)


def stand_in(beginning: str) -> str:
    """Return the name of a conference that has none, in the active language: the beginning of its Telnyx id."""
    return _("Call %(id)s") % {"id": beginning}


def leg_name(leg: Leg) -> str:
    """Return what a leg is called: its agent, or the masked number at its far end."""
    return plain(leg.agent.name) if leg.agent else masked(leg.far_end)


def short_leg_name(leg: Leg) -> str:
    """Return what a leg is called where there is little room: its agent's first name, or what it is."""
    if leg.agent:
        return leg_name(leg).split(" ")[0]
    return _("customer") if leg.party == Leg.Party.CUSTOMER else str(leg.get_party_display())


def leg_and_party(leg: Leg) -> str:
    """Return what a leg is called where nothing beside it says what it is."""
    if leg.party == Leg.Party.SUPERVISOR:
        return _("A supervisor")
    if leg.party == Leg.Party.CUSTOMER:
        return _("Customer %(number)s") % {"number": leg_name(leg)}
    return leg_name(leg) if leg.agent else _("Unknown caller %(number)s") % {"number": leg_name(leg)}


def leg_in_a_sentence(leg: Leg, *, alone: bool) -> str:
    """Return what a sentence calls a leg; `alone` where it is the only one of its kind, so that no number is needed."""
    if leg.party == Leg.Party.AGENT:
        return leg_name(leg)
    if leg.party == Leg.Party.CUSTOMER:
        return _("the customer") if alone else _("the customer %(number)s") % {"number": leg_name(leg)}
    return _("an unknown caller") if alone else _("an unknown caller %(number)s") % {"number": leg_name(leg)}


def person(user: User) -> str:
    """Return a colleague's name as "Kim W.", or the user name where no name was given."""
    first, last = plain(user.first_name), plain(user.last_name)
    if not first:
        return plain(user.get_username())
    return f"{first} {last[0]}." if last else first


def listed(names: list[str]) -> str:
    """Join names as a sentence does: "Ana", "Ana and Max", "Ana, Max and Jo"."""
    if len(names) < 2:
        return "".join(names)
    return _("%(first)s and %(last)s") % {"first": ", ".join(names[:-1]), "last": names[-1]}


def searched_as(leg: Leg) -> tuple[str, ...]:
    """Return what a search for exactly this far end looks for: a whole number, or a SIP caller's whole name.

    A number in digits, with and without its country code. Only to be compared with what somebody already knows as a
    whole: a part of it would tell more than the mask.
    """
    address = read_address(leg.far_end)
    if address.kind is Kind.SIP:
        return (folded(address.user), folded(f"{address.user}@{address.host}")) if address.host else ()
    digits = address.number.removeprefix("+")
    code = _CODE.match(digits) if address.international else None
    return tuple(filter(None, (digits, digits[len(code.group()) :] if code else "")))


def number_in(query: str) -> str:
    """Return the digits of the telephone number that a search is for, however it is written; empty where none is."""
    return "".join(numbers_within(query)) or next((one for one in search_for(query) if _is_number(one)), "")


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) >= 7


def search_for(query: str) -> frozenset[str]:
    """Return the whole numbers and SIP names that a search may mean, in the form of `searched_as`."""
    address = read_address(query)
    if address.kind is Kind.SIP:
        return frozenset({folded(f"{address.user}@{address.host}" if address.host else address.user)})
    digits = address.number.removeprefix("+")
    return frozenset({digits, digits.removeprefix("0")} - {""})


def folded(text: str) -> str:
    """Return a text as a search compares it: without case and accents, so that “zielinski” finds “Zieliński”."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).translate(_WITHOUT_STROKE)
