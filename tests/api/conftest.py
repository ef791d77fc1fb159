"""The company of ``tests.dashboards.world`` on 30 April 2026, and clients that carry tokens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from finops import clock
from finops.api.tokens import SCOPES, issue_token
from finops.models import User
from finops.permissions import can
from tests.dashboards.world import NOW, load_company, load_rejects, person

V1 = "/api/v1"


@pytest.fixture
def on_30_april(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture
def company(db: None, on_30_april: None, tmp_path: Path) -> None:
    load_company(tmp_path / "deliveries")
    load_rejects(tmp_path)


def token_of(user: User, *scopes: str, name: str = "", days: int = 30) -> str:
    """The text of a new token with these scopes, or with all that the owner may."""
    wanted = scopes or [scope for scope, need in SCOPES.items() if can(user, need)]
    _, text = issue_token(
        name=name or f"{user.username}-robot",
        owner=user,
        scopes=wanted,
        expires_at=clock.now() + timedelta(days=days),
        now=clock.now(),
    )
    return text


def client_with(text: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {text}"}) if text else Client()


def client_of(user: User, *scopes: str, **named: Any) -> Client:
    return client_with(token_of(user, *scopes, **named))


@pytest.fixture
def alice(company: None) -> Client:
    """A token of finance, for the whole company."""
    return client_of(person("alice", "finance"))


@pytest.fixture
def charlie(company: None) -> Client:
    """A token of finance, for Acme only."""
    return client_of(person("charlie", "finance", scope="acme"))


@pytest.fixture
def erin(company: None) -> Client:
    """A token of an admin."""
    return client_of(person("erin", "admin"))


Send = Callable[..., Any]


@pytest.fixture
def send() -> Send:
    """Post records with a key of their own."""
    count = iter(range(1_000_000))

    def post(client: Client, *records: Any, key: str = "", body: Any = None, **more: Any) -> Any:
        return client.post(
            f"{V1}/usage",
            {"records": list(records)} if body is None else body,
            content_type="application/json",
            headers={"Idempotency-Key": key or f"key-{next(count)}"},
            **more,
        )

    return post


def record(record_id: str = "r-1", **changed: Any) -> dict[str, Any]:
    """A good record, with changes; a value of ``None`` leaves the field out."""
    fields = {
        "record_id": record_id,
        "hour": "2026-04-30T10:00:00Z",
        "metric": "requests",
        "quantity": "1250.5",
        "tenant": "acme",
        **changed,
    }
    return {name: value for name, value in fields.items() if value is not None}
