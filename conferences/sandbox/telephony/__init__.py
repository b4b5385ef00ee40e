"""Models the calls of a local Telnyx: legs, conferences, roles and audibility."""
