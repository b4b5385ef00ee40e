"""Plays a call center on the sandbox: its people, its calls and their story."""
