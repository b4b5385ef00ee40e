"""The suite never dials on a real account unless somebody has agreed to it at that moment."""

from __future__ import annotations

import pytest

from conferences.sandbox.center import directory

from . import __main__
from .agreement import AGREED, NEEDED
from .target import scene


def test_without_an_account_nothing_is_dialled_and_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(NEEDED[0], raising=False)
    assert __main__.main() == 2
    assert NEEDED[0] in capsys.readouterr().err


def test_without_the_typed_word_nothing_is_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NEEDED:
        monkeypatch.setenv(name, "set")
    monkeypatch.setattr("builtins.input", lambda _text: "yes")
    monkeypatch.setattr("subprocess.call", pytest.fail)
    assert __main__.main() == 1


def test_an_account_in_the_environment_alone_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NEEDED:
        monkeypatch.setenv(name, "set")
    monkeypatch.delenv(AGREED, raising=False)
    with scene() as one:
        assert one.phones.from_number == directory.FROM_NUMBER
