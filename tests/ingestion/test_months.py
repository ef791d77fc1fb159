"""How settled a bill is: open, provisional, final."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from ingestion.core.months import MonthStatus, month_status

JULY = date(2026, 7, 1)
WHOLE = datetime(2026, 8, 1, tzinfo=UTC)
PART = datetime(2026, 7, 8, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("through", "invoiced", "today", "status"),
    [
        (PART, False, date(2026, 7, 8), MonthStatus.OPEN),
        (WHOLE, True, date(2026, 7, 31), MonthStatus.OPEN),
        (PART, False, date(2026, 8, 2), MonthStatus.OPEN),
        (None, False, date(2026, 8, 2), MonthStatus.OPEN),
        (WHOLE, False, date(2026, 8, 2), MonthStatus.PROVISIONAL),
        (PART, False, date(2026, 8, 15), MonthStatus.PROVISIONAL),
        (WHOLE, True, date(2026, 8, 14), MonthStatus.PROVISIONAL),
        (WHOLE, True, date(2026, 8, 15), MonthStatus.FINAL),
        (PART, True, date(2026, 9, 1), MonthStatus.FINAL),
    ],
)
def test_a_month_is_open_then_provisional_then_final(through, invoiced, today, status):
    found, reason = month_status(
        JULY,
        data_through=through,
        is_invoiced=invoiced,
        today=today,
        final_after=timedelta(days=14),
    )
    assert found is status
    assert reason
