"""`.env.example` and `finops/settings.py` name the same variables, with the same defaults."""

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / ".env.example").read_text()

ASSIGNMENT = re.compile(r"^(?P<off># )?(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$")
COMMENT = re.compile(r"^# \S.*\. Unit: (?P<unit>.+)\. Default: (?P<default>.+)$")
COMPUTED = object()


def _read_by_settings() -> dict[str, object]:
    """Variable → default, from the calls `env.<type>("NAME", default=…)` and `_decimal("NAME", "…")`."""
    found: dict[str, object] = {}
    for call in ast.walk(ast.parse((ROOT / "finops" / "settings.py").read_text())):
        if not (
            isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant)
        ):
            continue
        function, name = call.func, call.args[0].value
        if isinstance(function, ast.Name) and function.id == "_decimal":
            default: ast.expr | None = call.args[1]
        elif isinstance(function, ast.Attribute) and getattr(function.value, "id", "") == "env":
            default = next((word.value for word in call.keywords if word.arg == "default"), None)
        else:
            continue
        try:
            found[str(name)] = None if default is None else ast.literal_eval(default)
        except ValueError:
            found[str(name)] = COMPUTED
    return found


def _as_text(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, list):
        return ",".join(map(str, default))
    return str(default)


def _listed() -> dict[str, tuple[str, str, bool]]:
    """Variable → (stated default, value in the line, whether the line is commented out)."""
    listed: dict[str, tuple[str, str, bool]] = {}
    lines = EXAMPLE.splitlines()
    for above, line in pairwise(lines):
        if match := ASSIGNMENT.match(line):
            comment = COMMENT.match(above)
            assert comment, f"{match['name']} needs '# What it is. Unit: …. Default: …' above it"
            assert match["name"] not in listed, f"{match['name']} stands twice"
            listed[match["name"]] = (comment["default"], match["value"], bool(match["off"]))
    return listed


SETTINGS = _read_by_settings()


def test_both_name_the_same_variables() -> None:
    assert sorted(SETTINGS) == sorted(_listed())


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_the_stated_default_is_the_real_one(name: str) -> None:
    stated, value, commented_out = _listed()[name]
    default = SETTINGS[name]
    assert default is not None, f"{name} has no default in the settings"
    if default is COMPUTED:
        assert stated.startswith("computed (")
        return
    text = _as_text(default)
    if text == "":
        assert stated.startswith("empty ("), f"{name}: say in brackets what empty means"
    else:
        assert stated == text
    if commented_out:
        assert value == text, f"{name}: a line that is commented out shows the default"
