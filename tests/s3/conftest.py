"""The store is started once; every test gets an empty bucket, credentials and a cache of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.s3.server import Proxy, Store, proxied, running_store


@pytest.fixture(scope="session")
def _server() -> Iterator[Store]:
    with running_store() as store:
        yield store


@pytest.fixture
def store(
    _server: Store, monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path
) -> Store:
    """An empty bucket on a running server, and what the product needs to reach it."""
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    settings.CACHE_DIR = tmp_path / "cache"
    _server.empty()
    return _server


@pytest.fixture
def proxy(store: Store) -> Iterator[Proxy]:
    """The same store behind something that may break."""
    with proxied(store) as proxy:
        yield proxy
