"""Computes what an authenticator app shows (RFC 6238), independently of the library that checks it."""

from __future__ import annotations

import base64
import hmac
import struct
import time


def code_of(key: str, *, step: int = 0) -> str:
    """Return the six digits of now, or of so many half minutes later."""
    counter = struct.pack(">Q", int(time.time()) // 30 + step)
    digest = hmac.new(base64.b32decode(key), counter, "sha1").digest()
    begin = digest[-1] & 15
    return f"{(int.from_bytes(digest[begin : begin + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"
