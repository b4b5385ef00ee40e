"""Signs webhooks as Telnyx does: Ed25519 over timestamp, a bar, and the raw body."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def key_of(seed: str) -> Ed25519PrivateKey:
    """Make the key of a seed of 64 hexadecimal digits; raise ValueError for anything else."""
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))


def public_key(seed: str) -> str:
    """Return the public key as the portal shows it: Base64 of 32 bytes."""
    return base64.b64encode(key_of(seed).public_key().public_bytes_raw()).decode()


def signed_headers(body: bytes, *, key: Ed25519PrivateKey, timestamp: int) -> dict[str, str]:
    """Return the headers of one delivery."""
    signature = key.sign(f"{timestamp}|".encode() + body)
    return {
        "content-type": "application/json",
        "user-agent": "telnyx-webhooks",
        "telnyx-signature-ed25519": base64.b64encode(signature).decode(),
        "telnyx-timestamp": str(timestamp),
    }
