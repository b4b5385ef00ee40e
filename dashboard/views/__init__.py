"""Serves the supervisor's pages and commands: each view finds, checks, calls once, answers."""
