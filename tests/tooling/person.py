"""A person without a browser: forms, cookies and tokens over HTTP."""

from __future__ import annotations

import re
from typing import Any

import requests

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


class Person:
    """Somebody who signs in to a served dashboard and posts its forms."""

    def __init__(self, url: str, username: str, *, password: str = "floorline-demo") -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.post("/accounts/login/", self.get("/accounts/login/"), username=username, password=password)

    def get(self, path: str) -> str:
        """Return a page."""
        answer = self.session.get(self.url + path, timeout=20)
        answer.raise_for_status()
        return answer.text

    def post(self, path: str, page: str, /, **fields: Any) -> requests.Response:
        """Post a form of a page that was got before."""
        token = TOKEN.search(page)
        assert token, page
        body = {"csrfmiddlewaretoken": token[1], **fields}
        return self.session.post(
            self.url + path, body, headers={"Referer": self.url + path}, timeout=20, allow_redirects=False
        )
