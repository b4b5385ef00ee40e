"""Compares the board with what Telnyx answers when asked."""
