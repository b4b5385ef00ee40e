"""An issuer of OpenID Connect on a loopback port of its own: discovery, keys, one person signed in there, tokens.

A test changes what it answers by its attributes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID, CLIENT_SECRET = "floorline", "a secret of both"


class LoopbackIssuer:
    """An issuer with one person, and its answers."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.signs_with: Any = self.key
        self.algorithm = "RS256"
        self.claims: dict[str, Any] = {"sub": "f3a1", "preferred_username": "kim", "email": "kim@example.com"}
        self.discovery: dict[str, Any] = {}
        """Replaces parts of the discovery document."""
        self.asked: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, str]] = {}
        self.url = ""

    def document(self) -> dict[str, Any]:
        ways = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return {"issuer": self.url, **{name: f"{self.url}/{path}" for name, path in ways.items()}, **self.discovery}

    def keys(self) -> dict[str, Any]:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**public, "kid": "first", "use": "sig", "alg": "RS256"}]}

    def authorize(self, question: dict[str, str]) -> str:
        """Return where to send the person who is signed in here."""
        self.asked.append(question)
        code = secrets.token_urlsafe()
        self._codes[code] = question
        return f"{question['redirect_uri']}?{urlencode({'code': code, 'state': question['state']})}"

    def token(self, asked: dict[str, str]) -> dict[str, Any] | None:
        """Return the tokens for a code, once; nothing where the client or its proof is another's."""
        question = self._codes.pop(asked.get("code", ""), None)
        if question is None or (asked.get("client_id"), asked.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return None
        digest = hashlib.sha256(asked["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != question["code_challenge"]:
            return None
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": question["nonce"],
            **self.claims,
        }
        token = jwt.encode(claims, self.signs_with, algorithm=self.algorithm, headers={"kid": "first"})
        return {"access_token": "opens nothing", "token_type": "Bearer", "expires_in": 300, "id_token": token}


@contextmanager
def running_issuer() -> Iterator[LoopbackIssuer]:
    """Serve an issuer on a free port."""
    issuer = LoopbackIssuer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(issuer))
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler_of(issuer: LoopbackIssuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", issuer.authorize(_flat(parts.query)))
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                known = {"/.well-known/openid-configuration": issuer.document, "/keys": issuer.keys}
                self._answer(known[parts.path]() if parts.path in known else None)

        def do_POST(self) -> None:
            asked = _flat(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self._answer(issuer.token(asked) if self.path == "/token" else None)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Keep the output to the tests."""

        def _answer(self, answer: dict[str, Any] | None) -> None:
            body = json.dumps(answer if answer is not None else {"error": "invalid_grant"}).encode()
            self.send_response(200 if answer is not None else 400)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _flat(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}
