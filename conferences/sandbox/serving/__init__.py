"""Runs the sandbox as a process: REST API, control API and page."""
