"""Sign webhooks as Telnyx does: Ed25519 over timestamp, a bar, and the raw body."""

from __future__ import annotations

import base64

from nacl.signing import SigningKey


def key_of(seed: str) -> SigningKey:
    """Make the key of a seed of 64 hexadecimal digits; raise ValueError for anything else."""
    return SigningKey(bytes.fromhex(seed))


def public_key(seed: str) -> str:
    """Return the public key as the portal shows it: Base64 of 32 bytes."""
    return base64.b64encode(bytes(key_of(seed).verify_key)).decode()


def signed_headers(body: bytes, *, key: SigningKey, timestamp: int) -> dict[str, str]:
    """Return the headers of one delivery."""
    signature = key.sign(f"{timestamp}|".encode() + body).signature
    return {
        "content-type": "application/json",
        "user-agent": "telnyx-webhooks",
        "telnyx-signature-ed25519": base64.b64encode(signature).decode(),
        "telnyx-timestamp": str(timestamp),
    }
