"""Reports errors to Sentry where an operator has asked for it, without anything that belongs to callers or keys."""

from __future__ import annotations

from typing import Any

from dashboard import __version__

KEPT_OF_A_REQUEST = frozenset({"method"})


def begin(dsn: str) -> None:
    """Report unexpected errors of this process from now on; do nothing without an address."""
    if not dsn:
        return
    import sentry_sdk  # noqa: PLC0415  # an extra, which most installations do not have

    sentry_sdk.init(
        dsn=dsn,
        release=f"floorline@{__version__}",
        send_default_pii=False,
        include_local_variables=False,  # they hold call_control_ids, numbers and bodies of webhooks
        max_request_body_size="never",
        max_breadcrumbs=0,  # requests to Telnyx name legs in their paths
        server_name="",
        before_send=without_people,
    )


def without_people(event: Any, _hint: Any) -> Any:
    """Take out of a report what may name a person, a call or an address."""
    event.pop("user", None)
    event.pop("extra", None)
    if "request" in event:
        event["request"] = {name: value for name, value in event["request"].items() if name in KEPT_OF_A_REQUEST}
    for problem in event.get("exception", {}).get("values", []):
        problem["value"] = ""  # messages quote what went wrong: numbers, addresses, ids
    event.pop("message", None)
    event.pop("logentry", None)
    return event
