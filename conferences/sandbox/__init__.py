"""Simulates Telnyx locally: REST API, signed webhooks and calls, without Django or the internet."""
