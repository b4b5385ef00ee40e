"""Names the files of a probe's report and capture before anything is dialled, and writes them afterwards."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from .capture import Line, as_text
from .report import as_markdown


class FileRefused(Exception):
    """Why a file cannot be written, as a sentence."""


@dataclass(frozen=True, slots=True)
class ProbeFiles:
    """The report as a page and as JSON, and the capture."""

    page: Path
    capture: Path

    @property
    def data(self) -> Path:
        """Return where the report stands as JSON."""
        return self.page.with_suffix(".json")

    def write(self, data: Mapping[str, Any], lines: Sequence[Line]) -> None:
        """Write all three, readable by this user alone."""
        self.page.write_text(as_markdown(data))
        self.data.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
        self.capture.write_text(as_text(lines))


def files_for(*, report: Path | None, capture: Path | None, now: datetime) -> ProbeFiles:
    """Return the files of a probe, in the present folder unless told otherwise. Raises FileRefused."""
    page = report or Path(f"floorline-probe-{now:%Y-%m-%d-%H%M%S}.md")
    files = ProbeFiles(page=page, capture=capture or page.with_suffix(".jsonl"))
    paths = (files.page, files.data, files.capture)
    if len(set(paths)) < len(paths):
        raise FileRefused(f"{page} cannot be the page, its JSON and the capture at once: name it with .md at the end.")
    for path in paths:
        if path.exists():
            raise FileRefused(f"{path} is there already; name another file.")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise FileRefused(f"{path} cannot be written: the folder is missing, or not yours.")
    return files
