"""Chains the entries of the audit by hashes, so that a later change of any of them is found.

Docs: docs/decisions/0017-the-audit-is-a-chain-of-segments.md.
"""

from __future__ import annotations
