"""The suite never dials on a real account unless somebody has agreed to it at that moment."""

from __future__ import annotations

import pytest

from . import __main__, target


def test_without_an_account_nothing_is_dialled_and_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(target.NEEDED[0], raising=False)
    assert __main__.main() == 2
    assert target.NEEDED[0] in capsys.readouterr().err


def test_without_the_typed_word_nothing_is_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in target.NEEDED:
        monkeypatch.setenv(name, "set")
    monkeypatch.setattr("builtins.input", lambda _text: "yes")
    monkeypatch.setattr("subprocess.call", pytest.fail)
    assert __main__.main() == 1


def test_an_account_in_the_environment_alone_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in target.NEEDED:
        monkeypatch.setenv(name, "set")
    with target.scene() as scene:
        assert scene.phones.from_number == target.directory.FROM_NUMBER
