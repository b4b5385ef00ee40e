"""What people, conferences and numbers from outside are called on the screen: short, harmless, masked."""

from __future__ import annotations

import re
import unicodedata

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from conferences.models import Conference, Leg

NAME_LIMIT = 60

# Country codes have one, two or three digits (ITU-T E.164).
_CODE = re.compile(r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[0-9]{3}")
_NUMBER = re.compile(r"^\+?[0-9]{7,15}$")


def plain(text: str, *, limit: int = NAME_LIMIT) -> str:
    """Return one short line without control, bidi or invisible characters; escaping stays the template's work."""
    # Cut first: a caller may have sent ten kilobytes, and only the beginning can be shown anyway.
    kept = (
        " " if character.isspace() else character
        for character in text[: limit * 8]
        if character.isspace() or unicodedata.category(character)[0] != "C"
    )
    line = " ".join("".join(kept).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def masked(address: str) -> str:
    """Return a customer's number as its country code and last three digits; of a SIP caller only that."""
    address = address.strip()
    if address.lower().startswith(("sip:", "sips:")) or "@" in address:
        user, _at, _host = address.removeprefix("sips:").removeprefix("sip:").partition("@")
        if not _NUMBER.match(user):
            return _("SIP caller")
        address = user
    if not _NUMBER.match(address):
        return _("number withheld")
    digits = address.removeprefix("+")
    if not address.startswith("+"):
        return f"•••• {digits[-3:]}"
    code = _CODE.match(digits)
    return f"+{code.group() if code else ''} •••• {digits[-3:]}"


def conference_name(conference: Conference) -> str:
    """Return a conference's name, or a stand-in made of its Telnyx id until the name is known."""
    return plain(conference.name) or _("Conference %(id)s") % {"id": plain(conference.telnyx_id, limit=8)}


def outside_number(leg: Leg) -> str:
    """Return the masked number at the far end of a leg."""
    # An incoming leg comes from its caller; an outgoing one was dialled to the other person.
    return masked(leg.to_address if leg.direction == "outgoing" else leg.from_address)


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


def digits_of(leg: Leg) -> tuple[str, ...]:
    """Return the whole number at the far end in digits, with and without its country code; nothing of a SIP caller.

    Only to be compared with a whole number that somebody already knows: a part of it would tell more than the mask.
    """
    address = (leg.to_address if leg.direction == "outgoing" else leg.from_address).strip()
    if not _NUMBER.match(address):
        return ()
    digits = address.removeprefix("+")
    code = _CODE.match(digits) if address.startswith("+") else None
    return (digits, digits[len(code.group()) :]) if code else (digits,)
