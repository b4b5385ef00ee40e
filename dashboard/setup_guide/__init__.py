"""Guides staff from an API key to a verified whisper: steps that tick themselves by what is stored.

`evidence` reads, `mistakes` and `steps` judge what was read, `guide` puts both together for the page, and `milestones`
counts cheaply what is left.
"""
