"""Reads what a Telnyx account has set up, corrects it, and tries whether it works; only when an admin asks."""
