"""Reads requests and writes answers in the format of the Telnyx REST API."""
