"""Derives conferences, legs and participants from events and listings."""
