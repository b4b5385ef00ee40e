"""Reads and checks parameters of requests; unknown ones are accepted, as by the real API."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from conferences.sandbox.formats.errors import ApiError
from conferences.sandbox.telephony.state import Header, Role

_E164 = re.compile(r"\+[1-9]\d{6,14}")
_SIP = re.compile(r"sips?:[^\s@]+@[^\s@]+", re.IGNORECASE)
_T = TypeVar("_T")

Body = Mapping[str, Any]


def text(body: Body, name: str) -> str:
    """Return a required string."""
    value = optional_text(body, name)
    if not value:
        raise ApiError(422, "10004", f"The '{name}' parameter is required.", pointer=f"/{name}")
    return value


def optional_text(body: Body, name: str) -> str | None:
    return _typed(body, name, str, "a string")


def flag(body: Body, name: str) -> bool:
    return bool(_typed(body, name, bool, "a boolean"))


def number(body: Body, name: str, *, low: int, high: int, default: int) -> int:
    value = _typed(body, name, int, "an integer")
    if value is None:
        return default
    if not low <= value <= high:
        raise ApiError(422, "10033", f"'{name}' must be between {low} and {high}.", pointer=f"/{name}")
    return value


def role(body: Body, *, required: bool) -> Role:
    """Return the role; left out where that is allowed, Telnyx takes `none`, which is audible to all."""
    value = text(body, "supervisor_role") if required else optional_text(body, "supervisor_role") or "none"
    for known in get_args(Role):
        if value == known:
            return known  # type: ignore[no-any-return]
    raise ApiError(
        422, "10032", "'supervisor_role' must be one of barge, monitor, none, whisper.", pointer="/supervisor_role"
    )


def ids(body: Body, name: str, *, required: bool = False) -> list[str]:
    value = body.get(name)
    if value is None:
        if required:
            raise ApiError(422, "10004", f"The '{name}' parameter is required.", pointer=f"/{name}")
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ApiError(422, "10026", f"'{name}' must be an array of strings.", pointer=f"/{name}")
    return value


def client_state(body: Body) -> str | None:
    value = optional_text(body, "client_state")
    if value is None:
        return None
    try:
        base64.b64decode(value.encode(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ApiError(
            422, "90017", "'client_state' must be a valid Base64 encoded string.", pointer="/client_state"
        ) from error
    return value


def caller(body: Body) -> str:
    """Return the number that calls; it must be E.164."""
    value = text(body, "from")
    if not _E164.fullmatch(value):
        raise ApiError(422, "10016", "The 'from' parameter must be in +E164 format.", pointer="/from")
    return value


def destination(body: Body) -> str:
    """Return where to dial; of several destinations the first."""
    value = body.get("to")
    if isinstance(value, list) and value:
        value = value[0]
    value = text({"to": value}, "to")
    if not _E164.fullmatch(value.split(",")[0]) and not _SIP.fullmatch(value):
        raise ApiError(422, "10016", "The 'to' parameter must be in +E164 format or a SIP URI.", pointer="/to")
    return value


def custom_headers(body: Body) -> tuple[Header, ...]:
    value = body.get("custom_headers") or []
    headers: list[Header] = []
    for item in value if isinstance(value, list) else [None]:
        if not (isinstance(item, dict) and isinstance(item.get("name"), str) and isinstance(item.get("value"), str)):
            raise ApiError(
                422, "10026", "'custom_headers' must be an array of {name, value}.", pointer="/custom_headers"
            )
        headers.append({"name": item["name"], "value": item["value"]})
    return tuple(headers)


def page(query: Mapping[str, str], name: str, *, high: int, default: int) -> int:
    raw = query.get(name)
    if raw is None:
        return default
    if not raw.isascii() or not raw.isdigit():
        raise ApiError(422, "10026", f"'{name}' must be a positive integer.", pointer=name)
    if not 1 <= int(raw) <= high:
        raise ApiError(422, "10033", f"'{name}' must be between 1 and {high}.", pointer=name)
    return int(raw)


def query_flag(query: Mapping[str, str], name: str) -> bool | None:
    raw = query.get(name)
    if raw is None:
        return None
    if raw not in {"true", "false"}:
        raise ApiError(422, "10026", f"'{name}' must be a boolean.", pointer=name)
    return raw == "true"


def _typed(body: Body, name: str, kind: type[_T], wanted: str) -> _T | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ApiError(422, "10026", f"'{name}' must be {wanted}.", pointer=f"/{name}")
    return value
