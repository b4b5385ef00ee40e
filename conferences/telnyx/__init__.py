"""Sends requests to Telnyx and reads its webhooks; no Django in here."""
