"""Checks that a name with an underscore is used in its own module alone, by the product and by its tests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from .test_prose import modules

DOCUMENTED = {"_meta", "_state", "_default_manager", "_exit"}  # public all the same
PRIVATE = re.compile(r"_[a-z]\w*")
IN_A_PATH = re.compile(r"(?:[\w.]+\.)?_[a-z]\w*")


def own_names(module: ast.Module) -> set[str]:
    """Return the names that a module gives itself: of functions, classes, variables and attributes."""
    names = set()
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def reached_for(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield private names of others: imported, taken from an object, or named to be patched."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, alias.name) for alias in node.names if PRIVATE.fullmatch(alias.name))
        elif isinstance(node, ast.Attribute) and PRIVATE.fullmatch(node.attr):
            if not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}) and not is_super(node.value):
                yield node.lineno, node.attr
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in {"setattr", "patch", "delattr"}:
            for argument in node.args:
                if isinstance(argument, ast.Constant) and IN_A_PATH.fullmatch(str(argument.value)):
                    yield node.lineno, str(argument.value).rpartition(".")[2]


def is_super(node: ast.expr) -> bool:
    """Return whether this is `super()`."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def test_nobody_reaches_for_a_private_name_of_another_module() -> None:
    reached = [
        f"{path}:{line} {name}"
        for path, module in modules().items()
        for line, name in reached_for(module)
        if name not in DOCUMENTED | own_names(module)
    ]

    assert reached == []
