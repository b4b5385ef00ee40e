"""Starts the sandbox as a process: options, refusals, and gunicorn's ASGI worker around it."""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from gunicorn.app.base import BaseApplication

from conferences.sandbox.center.floor import Floor
from conferences.sandbox.rest.call_endpoints import LOOPBACK
from conferences.sandbox.rest.router import Api, RateLimit
from conferences.sandbox.serving.app import Sandbox
from conferences.sandbox.serving.control import Control
from conferences.sandbox.serving.faults import Faults
from conferences.sandbox.telephony.phones import Phones
from conferences.sandbox.telephony.state import Semantics
from conferences.sandbox.telephony.world import World
from conferences.sandbox.webhooks.delivery import Deliveries
from conferences.sandbox.webhooks.disturbance import Disturbance
from conferences.sandbox.webhooks.signing import key_of

_PR_SET_PDEATHSIG = 1


class StartRefused(Exception):
    """A reason not to start, as a sentence."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m conferences.sandbox", description="A local Telnyx.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--webhook-url", default="http://127.0.0.1:8000/webhooks/telnyx/")
    parser.add_argument("--wait-for", help="the story begins when this address answers 200")
    parser.add_argument("--calls", type=int, default=40, help="conferences to keep alive")
    parser.add_argument("--rate", type=float, default=1.0, help="speed of the story")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--semantics", choices=["allow-list", "deny-list"], default="allow-list")
    parser.add_argument("--monitor-muted", choices=["yes", "no"], default="yes")
    parser.add_argument("--monitor-harms", choices=["yes", "no"], default="no")
    parser.add_argument("--fault-rate", type=float, default=0.0, help="share of REST requests that go wrong")
    parser.add_argument(
        "--webhook-fault-rate", type=float, default=0.0, help="share of webhooks lost, as many doubled, as many late"
    )
    parser.add_argument("--show", action="store_true", help="begin with four calls that a newcomer should see")
    parser.add_argument("--rate-limit", type=int, default=2000, help="REST requests in ten seconds")
    options = parser.parse_args(arguments)
    if options.calls < 0 or not 0 < options.rate <= 1000 or options.rate_limit < 1:
        parser.error("--calls must not be negative, --rate up to 1000, and both --rate and --rate-limit positive")
    for name in ("fault_rate", "webhook_fault_rate"):
        if not 0 <= getattr(options, name) <= 1:
            parser.error(f"--{name.replace('_', '-')} must be between 0 and 1")
    return options


def refuse_danger(options: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Raise StartRefused beside a real account, or where webhooks would leave this machine."""
    if environ.get("TELNYX_API_KEY", "").strip().upper().startswith("KEY"):
        raise StartRefused(
            "The sandbox does not start beside a real Telnyx account: TELNYX_API_KEY holds a real key. "
            "Unset it, or run the dashboard without the sandbox."
        )
    for name in ("webhook_url", "wait_for"):
        url = getattr(options, name)
        if url and (urlsplit(url).scheme != "http" or urlsplit(url).hostname not in LOOPBACK):
            raise StartRefused(
                f"The sandbox posts to this machine only: --{name.replace('_', '-')} must be an http:// address "
                "of 127.0.0.1 or localhost."
            )
    if not environ.get("SANDBOX_API_KEY"):
        raise StartRefused("SANDBOX_API_KEY is not set: it is the key that the sandbox's REST API accepts.")
    try:
        key_of(environ.get("SANDBOX_SIGNING_SEED", ""))
    except ValueError as error:
        sentence = "SANDBOX_SIGNING_SEED must be 64 hexadecimal digits: webhooks are signed with it."
        raise StartRefused(sentence) from error


def build(options: argparse.Namespace, environ: Mapping[str, str], *, now: float) -> Sandbox:
    semantics = Semantics(
        whisper=options.semantics,
        monitor_reads_muted=options.monitor_muted == "yes",
        monitor_harms_call=options.monitor_harms == "yes",
    )
    world = World(seed=options.seed, now=now, webhook_url=options.webhook_url, semantics=semantics)
    phones, faults = Phones(), Faults(seed=options.seed)
    if options.fault_rate:
        faults.arm_everything(options.fault_rate)
    deliveries = Deliveries(key=key_of(environ["SANDBOX_SIGNING_SEED"]))
    deliveries.disturbance = Disturbance.of_rate(options.webhook_fault_rate)
    api = Api(world=world, phones=phones, api_key=environ["SANDBOX_API_KEY"], rate=RateLimit(limit=options.rate_limit))
    api.deliveries = deliveries.log
    control = Control(world=world, phones=phones, faults=faults, api=api, deliveries=deliveries)
    floor = Floor(world, calls_wanted=options.calls, rate=options.rate, held_up=lambda: deliveries.is_behind)
    return Sandbox(
        world=world,
        floor=floor,
        api=api,
        control=control,
        deliveries=deliveries,
        wait_for=options.wait_for,
        shows=options.show,
    )


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, options: argparse.Namespace, environ: Mapping[str, str]) -> None:
        self._options = options
        self._environ = environ
        super().__init__()

    def load_config(self) -> None:
        settings = {
            "bind": f"{self._options.host}:{self._options.port}",
            "worker_class": "asgi",
            "workers": 1,
            "asgi_lifespan": "on",
            "asgi_disconnect_grace_period": 0,
            "control_socket_disable": True,
            "graceful_timeout": 1,
            "keepalive": 75,
            "timeout": 60,
            "loglevel": "warning",
            "proc_name": "floorline-sandbox",
            "post_fork": _after_fork,
            "post_worker_init": _end_at_once,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Sandbox:
        return build(self._options, self._environ, now=time.time())


def main(arguments: Sequence[str], environ: Mapping[str, str], *, parent: int) -> None:
    """Serve until told to end; exit with 2 and a sentence where it is unsafe to start."""
    options = parse(arguments)
    try:
        refuse_danger(options, environ)
    except StartRefused as refusal:
        sys.stderr.write(f"{refusal}\n")
        sys.exit(2)
    _end_with_parent(signal.SIGTERM)
    if os.getppid() != parent:
        return  # the parent died before the line above could take effect
    _Server(options, environ).run()


def _end_with_parent(how: signal.Signals) -> None:
    """Ask Linux for a signal when the parent dies; elsewhere nothing happens."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, how)
    except (OSError, AttributeError, TypeError):
        return


def _after_fork(_arbiter: Any, _worker: Any) -> None:
    _end_with_parent(signal.SIGKILL)


def _end_at_once(worker: Any) -> None:
    """End without waiting for connections, because the sandbox stores nothing."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        worker.loop.add_signal_handler(number, os._exit, 0)
