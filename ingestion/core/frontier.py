"""The frontier between bill and estimate: up to when bills already cover a meter. Pure.

It is asked month by month, because a bill of June says nothing of a May that was never delivered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time

from finops.core.periods import add_months
from ingestion.core.meter_map import METER_MAP
from ingestion.core.meters import METERS


@dataclass(frozen=True)
class Bill:
    """What one current bill covers.

    ``accounts`` are all that it has lines of, none for an invoice that names none. ``through`` is by meter and
    account the end of the newest charge; ``data_through`` the end of the newest usage of the whole bill.
    """

    provider: str
    month: date
    data_through: datetime | None
    accounts: frozenset[str] = frozenset()
    through: Mapping[tuple[str, str], datetime] = field(default_factory=dict)

    def covers(self, account: str) -> bool:
        """Whether it may speak of ``account``."""
        return not account or not self.accounts or account in self.accounts


def billed_through(
    bills: Iterable[Bill], *, meter: str, account: str, month: date
) -> datetime | None:
    """Up to when bills cover ``meter`` of ``account`` within ``month``; ``None`` where none does.

    A bill that is whole covers its month to the end; one that is not, up to its newest charge of the meter
    (of the account, where it has any). A whole bill without a line of the meter covers it all the same. A bill
    of another name, as a reseller's or one of several vendors, covers the meters that it has lines of.
    """
    found = [
        through
        for bill in bills
        if bill.month == month and bill.covers(account)
        if (through := _through(bill, meter, account)) is not None
    ]
    return max(found, default=None)


def _through(bill: Bill, meter: str, account: str) -> datetime | None:
    end = datetime.combine(add_months(bill.month, 1), time(), UTC)
    is_of_provider = bill.provider == METERS[meter].provider
    is_whole_bill = METER_MAP[meter].is_on_whole_bill and is_of_provider
    if is_whole_bill and bill.data_through is not None and bill.data_through >= end:
        return end
    of_meter = {whose: through for (one, whose), through in bill.through.items() if one == meter}
    mine = [through for whose, through in of_meter.items() if account and whose == account]
    newest = max(mine or of_meter.values(), default=None)
    if newest is None and is_whole_bill:
        newest = bill.data_through
    return None if newest is None else min(newest, end)
