"""Checks whether an address can be listened on before anything starts."""

from __future__ import annotations

import errno
import socket


def problem_with(host: str, port: int) -> str | None:
    """Return a sentence that says why nobody can listen on this address, and the mend; None when one can."""
    try:
        # As gunicorn does: a name is an IPv4 address.
        version = socket.AF_INET6 if ":" in host else socket.AF_INET
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, version, socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError):
        return f"HOST {host!r} is not an address of this machine. Use localhost, or 0.0.0.0 for every address."
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(1)
        except OSError as error:
            return _sentence(error, host, port)
    return None


def _sentence(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is taken. End what uses it, or choose another: PORT={port + 10}."
    if error.errno == errno.EACCES:
        return f"Port {port} may not be opened by this user. Choose one above 1023: PORT=8000."
    return f"HOST {host!r} is not an address of this machine. Use localhost, or 0.0.0.0 for every address."


def next_free(host: str, first: int) -> int | None:
    """Return the first port from `first` on, of a hundred, that can be listened on."""
    ports = range(first, min(first + 100, 65536))
    return next((port for port in ports if problem_with(host, port) is None), None)
