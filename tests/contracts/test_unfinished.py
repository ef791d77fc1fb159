"""`tools/unfinished.py` finds what is unfinished and leaves alone what is meant."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.unfinished import unfinished

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("x = 1  # " + "TO" + "DO: more", 1),
        ("# " + "FIX" + "ME\n", 1),
        ("def f():\n    pass\n", 1),
        ("def f():\n    ...\n", 1),
        ('def f():\n    """Only words."""\n', 1),
        ("class A:\n    def f(self):\n        pass\n", 2),
        ("async def f():\n    ...\n", 1),
        ("def f():\n    raise NotImplementedError\n", 2),
        ("def f():\n    raise NotImplementedError('later')\n", 2),
        ("try:\n    g()\nexcept E:\n    pass\n", 3),
        ("if x:\n    ...\n", 1),
        ("class P(Protocol):\n    class Inner:\n        def f(self): ...\n", 3),
    ],
)
def test_unfinished_code_is_found(source: str, line: int) -> None:
    assert [where for where, _ in unfinished(source)] == [line]


@pytest.mark.parametrize(
    "source",
    [
        "x = 'a TO" + "DO list'\n",
        "class P(Protocol):\n    def f(self) -> int: ...\n",
        "class P(typing.Protocol[T]):\n    async def f(self) -> int: ...\n",
        "class B(ABC):\n    @abc.abstractmethod\n    def f(self):\n        '''What it does.'''\n",
        "@overload\ndef f(x: int) -> int: ...\n",
        "class E(Exception):\n    '''Something went wrong.'''\n",
        "def f():\n    '''Words.'''\n    return None\n",
    ],
)
def test_what_is_meant_is_left_alone(source: str) -> None:
    assert list(unfinished(source)) == []


def test_the_command_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "room.py").write_text("def f():\n    pass\n")
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "left_out.py").write_text("def f():\n    pass\n")
    command = [sys.executable, str(ROOT / "tools" / "unfinished.py"), str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stdout == f"{tmp_path / 'room.py'}:1: f() does nothing\n"
