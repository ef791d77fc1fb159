"""Documents say what is there: links resolve, commands, targets and variables exist."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z0-9-]+(?: [a-z0-9-]+)*):", MAKEFILE, re.MULTILINE))
TARGETS = {target for line in TARGETS for target in line.split()}
VARIABLES = set(
    re.findall(r"^#? ?([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _code(document: Path) -> str:
    return "\n".join(CODE.findall(document.read_text(encoding="utf-8")))


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_relative_links_resolve(document: Path) -> None:
    broken = []
    for link in LINK.findall(document.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (document.parent / file).resolve() if file else document
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_commands_and_targets_exist(document: Path) -> None:
    code = _code(document)
    commands = set(re.findall(r"manage\.py ([a-z][a-z_]+)", code)) - {"help"}
    assert commands - set(get_commands()) == set()
    assert set(re.findall(r"\bmake ([a-z][a-z0-9-]*)", code)) - TARGETS == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_variables_exist(document: Path) -> None:
    named = set(
        re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9])(?:=[^`]*)?`", document.read_text())
    )
    assert named - VARIABLES == set()


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, wave = set(), {ROOT / "README.md"}
    while wave:
        reached |= wave
        links = {
            (document.parent / link.partition("#")[0]).resolve()
            for document in wave
            for link in LINK.findall(document.read_text(encoding="utf-8"))
            if link.partition("#")[0].endswith(".md") and "://" not in link
        }
        wave = {link for link in links if link in DOCUMENTS} - reached
    assert [_name(document) for document in DOCUMENTS if document not in reached] == []


def test_every_command_of_ours_is_described() -> None:
    described = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    rooms = {"finops", "ingestion", "allocation", "dashboards", "composition"}
    ours = {name for name, app in get_commands().items() if app in rooms}
    assert [name for name in sorted(ours) if f"## manage.py {name}\n" not in described] == []
