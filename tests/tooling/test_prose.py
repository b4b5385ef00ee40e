"""Docstrings say what code does, in the form that one finds in Django and the larger projects on it."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.tooling.processes import ROOT

Function = ast.FunctionDef | ast.AsyncFunctionDef

NOUNS = "Addresses|Agents|Commands|Conferences|Ears|Legs|Lines|Pages|Participants|Says|Settings|Supervisors|Teams|This"
VERB = re.compile(rf"(?!(?:{NOUNS})\b)[A-Z][a-z]*[^s\W]s,? (?!of |that |is |are )")
# "Whose line it is", "Of the colleague", "So many at once": the noun that is meant comes first ("The line of …").
QUESTION = re.compile(r"(?:what|who|whom|whose|of|how|so (?:many|much|long)) ", re.IGNORECASE)
RIDDLE = re.compile(r"(?:^|: )(?:what|who|whose|where|a way|of|the one) ", re.IGNORECASE)


@cache
def modules() -> dict[str, ast.Module]:
    """Return the modules that hold anything, but for migrations, which Django writes."""
    folders = ("conferences", "dashboard", "benchmarks", "tests")
    paths: list[Path] = [ROOT / "manage.py", *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(text)
        for path in paths
        if "migrations" not in path.parts and (text := path.read_text()).strip()
    }


@cache
def functions() -> list[tuple[str, Function, str]]:
    return [
        (f"{path}:{node.lineno} {text.splitlines()[0]}", node, text)
        for path, module in modules().items()
        for node in ast.walk(module)
        if isinstance(node, Function) and (text := ast.get_docstring(node))
    ]


def test_every_module_begins_with_what_it_does() -> None:
    heads = {
        path: (ast.get_docstring(module) or "").split("\n")[0]
        for path, module in modules().items()
        if not path.startswith("tests/")
    }

    assert {path: head for path, head in heads.items() if not VERB.match(head) or RIDDLE.search(head)} == {}


def documented(path: str, module: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield where each docstring is, and its text: of the module, of classes, of functions, and below names."""
    for node in ast.walk(module):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield f"{path}:{node.lineno}", node.value.value


def commented(path: str) -> Iterator[tuple[str, str]]:
    """Yield where each comment begins, and its first line; a comment may follow code or have lines of its own."""
    with (ROOT / path).open("rb") as source:
        before = -1
        for token in tokenize.tokenize(source.readline):
            if token.type == tokenize.COMMENT:
                if token.start[0] != before + 1:
                    yield f"{path}:{token.start[0]}", token.string.removeprefix("#")
                before = token.start[0]


def test_nothing_is_described_by_a_question_or_without_its_noun() -> None:
    found = []
    for path, module in modules().items():
        texts = [*documented(path, module), *commented(path)]
        found += [f"{where} {text.strip().splitlines()[0]}" for where, text in texts if QUESTION.match(text.strip())]

    assert found == []


def test_no_function_says_something_or_whether() -> None:
    assert [where for where, _node, text in functions() if text.split()[0] in {"Say", "Says", "Whether"}] == []


def test_functions_that_answer_yes_or_no_say_that_they_return_whether() -> None:
    answers = [
        (where, text) for where, node, text in functions() if node.returns and ast.unparse(node.returns) == "bool"
    ]

    assert [where for where, text in answers if "eturn whether" not in text] == []


def test_no_two_classes_share_a_name() -> None:
    named: dict[str, list[str]] = {}
    for path, module in modules().items():
        # Django finds each command by this name, in its own module.
        if not path.startswith(("conferences/", "dashboard/")) or "/management/commands/" in path:
            continue
        for node in module.body:
            if isinstance(node, ast.ClassDef):
                named.setdefault(node.name, []).append(path)

    assert {name: paths for name, paths in named.items() if len(paths) > 1} == {}
