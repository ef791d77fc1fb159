"""How settled a month's bill is. Pure."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum

from finops.core.periods import add_months


class MonthStatus(StrEnum):
    """open: charges are still to come; provisional: it may be corrected; final: it is invoiced."""

    OPEN = "open"
    PROVISIONAL = "provisional"
    FINAL = "final"


def month_status(
    billing_period: date,
    *,
    data_through: datetime | None,
    is_invoiced: bool,
    today: date,
    final_after: timedelta,
) -> tuple[MonthStatus, str]:
    """The status of a bill and its reason as a clause.

    ``is_invoiced`` says that every costed line bears an invoice id; AWS writes it when it closes the
    bill, and still corrects for about two weeks (``final_after``).
    """
    end = add_months(billing_period, 1)
    settled = end + final_after
    if today < end:
        return MonthStatus.OPEN, "the month is not over"
    if is_invoiced:
        if today < settled:
            return MonthStatus.PROVISIONAL, f"invoiced, and final from {settled:%Y-%m-%d} on"
        return MonthStatus.FINAL, f"invoiced, and {final_after.days} days have passed"
    if data_through is None:
        return MonthStatus.OPEN, "no usage is in it yet"
    if data_through.date() < end and today < settled:
        return MonthStatus.OPEN, f"usage ends {data_through:%Y-%m-%d}, the month {end:%Y-%m-%d}"
    return MonthStatus.PROVISIONAL, "not every line bears an invoice id"
