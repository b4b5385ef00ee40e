"""Answers the Telnyx REST API at /v2."""
