"""Tells open streams whether their gunicorn worker should keep running."""

from __future__ import annotations

from typing import Protocol


class Worker(Protocol):
    alive: bool


_worker: Worker | None = None


def begin(worker: Worker | None) -> None:
    """Remember the worker that this process is (called by gunicorn.conf.py); None where it is none."""
    global _worker  # noqa: PLW0603  # a process is one worker, from its start to its end
    _worker = worker


def worker_is_alive() -> bool:
    """Return whether to go on; false within a moment of SIGTERM or a reload, always true outside gunicorn.

    gunicorn's ASGI worker sets `alive` to false on SIGTERM, SIGINT and SIGQUIT and then waits for open responses
    until graceful_timeout: a stream that does not look would hold up every stop and every reload.
    """
    return _worker is None or _worker.alive
