"""Bills and people for the tests of this folder."""

from __future__ import annotations

import pytest

from tests.cur_export import Export, line
from tests.finops.conftest import acme, alice, bob, charlie, dora, erin, root  # noqa: F401  # people


@pytest.fixture
def bill() -> Export:
    """Five lines of April 2026, one of them in scientific notation, one a credit, one untagged."""
    return Export(
        [
            line("1.25", tenant="acme"),
            line("1.24889E-5", tenant="acme", hour=2),
            line("-7.0E-10", tenant="globex", day=2),
            line("0.1", day=3),
            line("3", day=30, hour=23, tenant="Globex"),
        ]
    )


@pytest.fixture(autouse=True)
def _small_bills_are_read_like_large_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts once per combination also where that is not worth it: what large bills go through."""
    monkeypatch.setattr("ingestion.cur_texts._WORTH_IT", 0)
