"""Reads the audit's page as a person does: line by line."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

from django.contrib.auth.models import User
from django.test import Client

from conferences.models import AuditEntry

SignIn = Callable[[User], Client]
Action = AuditEntry.Action


def read(client: Client, query: str = "") -> str:
    answer = client.get(f"/audit/{query}")
    assert answer.status_code == 200, query
    return answer.content.decode()


def lines(html: str) -> list[str]:
    """Return what each line says, without what it opens."""
    summaries = re.findall(r"<summary>\s*(<time datetime.*?)</summary>", html, re.DOTALL)
    texts = [re.sub(r"<time.*?</time>|<[^>]+>", " ", summary, flags=re.DOTALL) for summary in summaries]
    return [re.sub(r"\s+", " ", unescape(text)).strip() for text in texts]
