"""Names the addresses that Telnyx posts webhooks to: each account's own, and the plain one of all accounts."""

from __future__ import annotations

import re

PLAIN_PATH = "/webhooks/telnyx/"
# Both spellings: Telnyx follows no redirect, and an address typed without the slash must not lose calls.
_OF_AN_ACCOUNT = re.compile(r"/webhooks/telnyx/([-\w]{1,50})/?", re.ASCII)


def path_of(slug: str | None) -> str:
    """Return the path of an account's own address; of one that has none, the plain one."""
    return f"{PLAIN_PATH}{slug}/" if slug else PLAIN_PATH


def takes_webhooks(path: str) -> bool:
    """Return whether webhooks may be posted to a path, whether or not an account has that address."""
    return path in {PLAIN_PATH, PLAIN_PATH.rstrip("/")} or _OF_AN_ACCOUNT.fullmatch(path) is not None


def slug_in(path: str) -> str | None:
    """Return which account's own address a path is; None for the plain one."""
    found = _OF_AN_ACCOUNT.fullmatch(path)
    return found[1] if found else None
