"""No page can be forgotten: whatever has an address is looked at by axe and for its width in the browser tests."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import NoReverseMatch, resolve, reverse

from dashboards.navigation import nav_entries, patterns
from tests.dashboards.world import person
from tests.e2e.pages import CLOSED, NO_PAGES, PAGES

_EXAMPLES: tuple[dict[str, Any], ...] = (
    {},
    {"pk": 1},
    {"slug": "x"},
    {"text": "2026-03"},
    {"delivery_id": 1},
    {"object_id": 1},
)


def looked_at() -> set[str]:
    numbers = {"rejects": 1, "restatement": 1}
    addresses = [url.format(**numbers).partition("?")[0] for url in (PAGES | CLOSED).values()]
    return {resolve(address).url_name or "" for address in addresses}


def address_of(name: str) -> str:
    for arguments in _EXAMPLES:
        try:
            return reverse(name, kwargs=arguments)
        except NoReverseMatch:
            continue
    return pytest.fail(f"{name}: give an example of its arguments here")


def test_every_room_of_the_navigation_is_looked_at():
    rooms = {entry.url_name for entry in nav_entries() if not entry.url_name.startswith("admin:")}
    assert rooms <= looked_at()


def test_every_address_is_looked_at_or_only_takes_posts(db):
    client = Client()
    client.force_login(person("root", "admin", "finance-lead"))
    left = {str(one.name) for one in patterns()} - looked_at() - set(NO_PAGES)
    answers = {name: client.get(address_of(name)).status_code for name in sorted(left)}
    assert {name for name, status in answers.items() if status != 405} == set(), (
        "add them to pages.py"
    )
    assert left, "buttons only take posts"
