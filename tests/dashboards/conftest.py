"""The company of ``world`` on 30 April 2026, and its people, each signed in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from finops import clock
from finops.models import User
from tests.dashboards.world import NOW, load_company, person

BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def on_30_april(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture
def company(db: None, on_30_april: None, tmp_path: Path) -> None:
    load_company(tmp_path / "deliveries")


@pytest.fixture
def as_person() -> Callable[[User], Client]:
    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user, backend=BACKEND)
        return client

    return sign_in


@pytest.fixture
def alice(company: None, as_person: Callable[[User], Client]) -> Client:
    """Finance, for the whole company."""
    return as_person(person("alice", "finance"))


@pytest.fixture
def bob(company: None, as_person: Callable[[User], Client]) -> Client:
    """Approver, for the whole company."""
    return as_person(person("bob", "approver"))


@pytest.fixture
def charlie(company: None, as_person: Callable[[User], Client]) -> Client:
    """Finance, for Acme only."""
    return as_person(person("charlie", "finance", scope="acme"))


@pytest.fixture
def dora(company: None, as_person: Callable[[User], Client]) -> Client:
    """Signed in, in no group."""
    return as_person(person("dora"))


@pytest.fixture
def erin(company: None, as_person: Callable[[User], Client]) -> Client:
    """Admin by group."""
    return as_person(person("erin", "admin"))
