"""Refuse unfinished code: promises in comments, `NotImplementedError`, and bodies that do nothing.

A body that is only `pass`, `...` or a docstring is allowed where it says what others must do: in a
`Protocol`, in an abstract method, in an overload and in an exception class.

    python tools/unfinished.py FOLDER
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

PROMISE = re.compile(
    r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b"
)
SKIPPED = {".venv", "var", "node_modules", "__pycache__", ".git"}
ALLOWING_DECORATORS = {"abstractmethod", "overload"}


def unfinished(source: str) -> Iterator[tuple[int, str]]:
    """Line and sentence for each finding in the text of one Python file."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and (match := PROMISE.search(token.string)):
            yield token.start[0], f"a comment says {match[0]}"
    yield from _in_tree(ast.parse(source), in_protocol=False)


def _in_tree(node: ast.AST, *, in_protocol: bool) -> Iterator[tuple[int, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _in_tree(child, in_protocol="Protocol" in _names(child.bases))
            continue
        if sentence := _finding(child, in_protocol=in_protocol):
            yield child.lineno, sentence  # type: ignore[attr-defined]  # every node with a finding has one
        yield from _in_tree(child, in_protocol=in_protocol)


def _finding(node: ast.AST, *, in_protocol: bool) -> str | None:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            allowed = in_protocol or ALLOWING_DECORATORS & _names(node.decorator_list)
            return (
                None if allowed or not _does_nothing(node.body) else f"{node.name}() does nothing"
            )
        case ast.ExceptHandler() | ast.With() | ast.For() | ast.While() | ast.If():
            return "this block does nothing" if all(map(_is_filler, node.body)) else None
        case ast.Raise(exc=ast.expr() as error) if "NotImplementedError" in _names([error]):
            return "raises NotImplementedError"
    return None


def _does_nothing(body: list[ast.stmt]) -> bool:
    return all(_is_filler(line) or isinstance(_constant(line), str) for line in body)


def _is_filler(line: ast.stmt) -> bool:
    return isinstance(line, ast.Pass) or _constant(line) is ...


def _constant(line: ast.stmt) -> object:
    """The value of a line that is nothing but a constant, such as a docstring."""
    return (
        line.value.value
        if isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)
        else None
    )


def _names(expressions: list[ast.expr]) -> set[str]:
    """Last parts of names: `abc.abstractmethod`, `Protocol[T]` and `Error()` give the plain name."""
    found = set()
    for expression in expressions:
        inner: ast.expr = expression
        while isinstance(inner, ast.Call | ast.Subscript):
            inner = inner.func if isinstance(inner, ast.Call) else inner.value
        if isinstance(inner, ast.Attribute):
            found.add(inner.attr)
        elif isinstance(inner, ast.Name):
            found.add(inner.id)
    return found


def main(folder: Path) -> int:
    """Print every finding below the folder; 1 when there is one."""
    count = 0
    for path in sorted(folder.rglob("*.py")):
        if SKIPPED & set(path.relative_to(folder).parts):
            continue
        for line, sentence in unfinished(path.read_text(encoding="utf-8")):
            count += 1
            print(f"{path}:{line}: {sentence}")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
