"""Two worlds, built once: one of a few days, one of three months (February is the shortest)."""

import pytest

from tests.simulator.deliveries import Rows, Simulated, simulate, utc


@pytest.fixture(scope="session")
def days() -> Simulated:
    """Four days of an open month that begins on a Thursday."""
    return simulate(utc(2026, 10, 1), utc(2026, 10, 5))


@pytest.fixture(scope="session")
def days_rows(days: Simulated) -> Rows:
    return list(days.rows("2026-10"))


@pytest.fixture(scope="session")
def quarter() -> Simulated:
    """A closed February, a closed March and one day of April."""
    return simulate(utc(2026, 2, 1), utc(2026, 4, 2))
