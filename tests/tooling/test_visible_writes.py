"""Holds that what viewers see of supervision is written by `board_change`: with a version, and all of it at once."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.tooling.processes import ROOT

# Nobody sees these: they say when and how often Telnyx was asked, and what is known of a leg.
UNSEEN = {"reads", "looked_at", "key_heard_at", "hold_heard_at", "monitor_reads_muted"}
VISIBLE = {"SupervisorSession", "Ear", "Command"}
WRITERS = {"create", "get_or_create", "update_or_create", "bulk_create", "bulk_update", "set_columns", "save_rows"}
# They write in a change that their caller has begun, so calling one counts as writing.
INSIDE_A_CHANGE = {"new_ear", "add_row", "_begin", "_ear_on", "_begin_inside"}


def updates_in(source: str) -> Iterator[ast.Call]:
    """Yield the calls of `.update(…)` on rows of supervision that are not those of a board change."""
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.func.attr != "update":
            continue
        named = {node.id for node in ast.walk(call.func) if isinstance(node, ast.Name)}
        fields = {keyword.arg for keyword in call.keywords}
        of_rows = bool(named & VISIBLE) or bool(fields - {None})
        if of_rows and "change" not in named and not named & {"Leg"} and (not fields or fields - UNSEEN):
            yield call


def writes_beside_a_change(source: str) -> Iterator[ast.Call]:
    """Yield the calls that make or save rows of supervision outside `with board_change(…)`."""
    yield from _writes_in(ast.parse(source), inside=False)


def _writes_in(node: ast.AST, *, inside: bool) -> Iterator[ast.Call]:
    if isinstance(node, ast.With):
        inside = inside or any("board_change(" in ast.unparse(item.context_expr) for item in node.items)
    if isinstance(node, ast.FunctionDef):
        given = {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
        inside = node.name in INSIDE_A_CHANGE or bool(given & {"change", "version"})
    if isinstance(node, ast.Call) and not inside and _is_write(node):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _writes_in(child, inside=inside)


def _is_write(call: ast.Call) -> bool:
    written = ast.unparse(call.func)
    name = written.rpartition(".")[2]
    if name in WRITERS:
        return any(model in ast.unparse(call) for model in VISIBLE)
    return name in INSIDE_A_CHANGE or (name == "save" and not written.startswith("super()"))


def modules() -> list[Path]:
    return sorted((ROOT / "conferences" / "supervision").rglob("*.py"))


def test_every_update_of_a_session_an_ear_or_a_command_is_a_board_change() -> None:
    found = [f"{path.name}:{call.lineno}" for path in modules() for call in updates_in(path.read_text())]
    assert found == []


def test_every_session_ear_and_command_is_made_and_saved_within_a_board_change() -> None:
    found = [f"{path.name}:{call.lineno}" for path in modules() for call in writes_beside_a_change(path.read_text())]
    assert found == []


def test_nobody_but_supervision_and_retention_writes_sessions_ears_or_commands() -> None:
    writing = re.compile(r"(?:SupervisorSession|Ear|Command)\.objects[^\n]*\.(?:update|(?:bulk_)?create|delete)\(")
    packages = [path for package in ("conferences", "dashboard") for path in (ROOT / package).rglob("*.py")]
    elsewhere = [path for path in packages if "supervision" not in path.parts and writing.search(path.read_text())]
    assert elsewhere == []


def test_a_row_that_is_made_or_saved_beside_a_board_change_would_be_found() -> None:
    assert list(writes_beside_a_change("def begin():\n    SupervisorSession.objects.create(stage='inside')"))
    assert list(writes_beside_a_change("with transaction.atomic():\n    command.save()"))
    assert list(writes_beside_a_change("set_columns(Ear, {'state': 'parked'}, id=1)"))
    assert list(writes_beside_a_change("def dial():\n    new_ear(user, account)"))
    assert not list(writes_beside_a_change("with board_change(now=now):\n    command.save()"))
    assert not list(writes_beside_a_change("def begin(*, version):\n    Ear.objects.create()"))


def test_an_update_beside_a_board_change_would_be_found() -> None:
    assert list(updates_in("SupervisorSession.objects.filter(pk=1).update(role='barge')"))
    assert list(updates_in("waiting.update(stage='inside')"))
    assert list(updates_in("Ear.objects.update(**fields)"))
    assert not list(updates_in("change.update(waiting, stage='inside')"))
    assert not list(updates_in("Command.objects.filter(pk=1).update(reads=2)"))
