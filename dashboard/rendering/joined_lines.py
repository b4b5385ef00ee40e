"""Loads our templates, and joins each line that ends with a backslash to the next one.

What is sent holds neither the line break nor the indentation: a row goes to every page, and a space between two
elements shows. So a template can be written line by line, and its bytes are those of one long line.
"""

from __future__ import annotations

import re

from django.template.base import Origin
from django.template.loaders import filesystem

CONTINUED = re.compile(r"\\\n[ ]*")


class Loader(filesystem.Loader):
    """Reads the folders in DIRS; templates of Django and of other packages are read as they are."""

    def get_contents(self, origin: Origin) -> str:
        """Return a template's text with its continued lines joined."""
        return joined(super().get_contents(origin))


def joined(text: str) -> str:
    """Join lines that end with a backslash to the next one, without its indentation."""
    return CONTINUED.sub("", text)
