"""A browser, a served company and a signed-in person; every page is watched for errors and violations."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from finops import clock
from tests.dashboards.world import NOW, PASSWORD, load_company, person

# Playwright's sync API runs an event loop in this thread, and Django would refuse to ask its database.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@dataclass
class Visit:
    """A page with what went wrong on it."""

    page: Page
    base: str
    problems: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        """Open an address of the product and wait until it is quiet."""
        self.page.goto(self.base + path)
        self.page.wait_for_load_state("networkidle")
        return self.page


_WATCH = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`violates ${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}`);
});
"""


@pytest.fixture
def company(transactional_db: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    load_company(tmp_path / "deliveries")
    person("alice", "finance-lead")


@pytest.fixture
def visit(browser: Browser, live_server: Any, company: None) -> Iterator[Callable[..., Visit]]:
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def open_page(
        width: int = 1440, theme: str = "light", *, signed_in: bool = True, **options: Any
    ) -> Visit:
        viewport = {"width": width, "height": 900}
        context = browser.new_context(viewport=viewport, color_scheme=theme, **options)  # type: ignore[arg-type]
        context.add_init_script(_WATCH)
        contexts.append(context)
        page = context.new_page()
        found = Visit(page, live_server.url)
        page.on("console", lambda message: _note(found, message))
        page.on("pageerror", lambda error: found.problems.append(f"{page.url}: {error}"))
        visits.append(found)
        if signed_in:
            found.go("/sign-in/")
            page.fill("#id_username", "alice")
            page.fill("#id_password", PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_load_state("networkidle")
        return found

    yield open_page
    for context in contexts:
        context.close()
    assert [problem for found in visits for problem in found.problems] == []


def _note(found: Visit, message: Any) -> None:
    if message.type in {"error", "warning"}:
        found.problems.append(f"{found.page.url}: {message.text}")
