"""Sends snapshots and changes to the open pages as server-sent events."""
