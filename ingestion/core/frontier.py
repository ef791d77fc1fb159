"""The frontier between bill and estimate: which time bills already cover of a meter. Pure.

It is asked month by month, because a bill of June says nothing of a May that was never delivered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from finops.core.periods import add_months
from ingestion.core.meter_map import METER_MAP
from ingestion.core.meters import METERS

Span = tuple[datetime, datetime]
"""From the first moment until, and without, the second one; both aware, in UTC."""


@dataclass(frozen=True)
class Bill:
    """What one current bill covers.

    ``accounts`` are all that it has lines of, none for an invoice that names none. ``through`` is by meter and
    account the end of the newest charge; ``data_through`` the end of the newest usage of the whole bill.
    ``spans`` are by meter and account the times that an invoice names: it covers these and nothing else of the
    meters, where a file of the provider covers its month from the first moment on.
    """

    provider: str
    month: date
    data_through: datetime | None
    accounts: frozenset[str] = frozenset()
    through: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    spans: Mapping[tuple[str, str], tuple[Span, ...]] | None = None

    def covers(self, account: str) -> bool:
        """Whether it may speak of ``account``."""
        return not account or not self.accounts or account in self.accounts


@dataclass(frozen=True)
class Cover:
    """The spans of a month that bills cover, in their order; they do not touch each other."""

    spans: tuple[Span, ...] = ()

    def rest_of(self, start: datetime, end: datetime) -> tuple[Span, ...]:
        """What of ``start`` until before ``end`` no bill covers."""
        rest: list[Span] = []
        moment = start
        for first, until in self.spans:
            if until <= moment or first >= end:
                continue
            if first > moment:
                rest.append((moment, first))
            moment = until
        if moment < end:
            rest.append((moment, end))
        return tuple(rest)

    def holds(self, start: datetime, end: datetime) -> bool:
        """Whether bills cover all of it."""
        return not self.rest_of(start, end)


def cover_of(bills: Iterable[Bill], *, meter: str, account: str, month: date) -> Cover:
    """What bills cover of ``meter`` of ``account`` within ``month``.

    A bill that is whole covers its month to the end; one that is not, up to its newest charge of the meter
    (of the account, where it has any). A whole bill without a line of the meter covers it all the same. A bill
    of another name, as a reseller's or one of several vendors, covers the meters that it has lines of. An invoice
    covers the days that it names.
    """
    start, end = _first(month), _first(add_months(month, 1))
    spans: list[Span] = []
    for bill in bills:
        if bill.month != month:
            continue
        if bill.spans is not None:
            spans += _named(bill.spans, meter, account)
        elif bill.covers(account) and (through := _through(bill, meter, account)) is not None:
            spans.append((start, through))
    within = [(max(first, start), min(until, end)) for first, until in spans]
    return Cover(_joined(span for span in within if span[0] < span[1]))


def _named(
    spans: Mapping[tuple[str, str], tuple[Span, ...]], meter: str, account: str
) -> list[Span]:
    """Those of the account; what names none is of all, and usage that names none may be anybody's."""
    return [
        span
        for (one, whose), of_one in spans.items()
        if one == meter and (not account or whose in ("", account))
        for span in of_one
    ]


def _joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return tuple(joined)


def _through(bill: Bill, meter: str, account: str) -> datetime | None:
    end = _first(add_months(bill.month, 1))
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


def _first(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


class Covers:
    """What ``bills`` cover, by meter, account and month; each is computed once."""

    def __init__(self, bills: Iterable[Bill]) -> None:
        self._bills = tuple(bills)
        self._known: dict[tuple[str, str, date], Cover] = {}

    def of(self, meter: str, account: str, month: date) -> Cover:
        """See ``cover_of``."""
        key = (meter, account, month)
        if key not in self._known:
            self._known[key] = cover_of(self._bills, meter=meter, account=account, month=month)
        return self._known[key]

    def holds_day(self, meter: str, account: str, day: date) -> bool:
        """Whether bills cover the whole UTC day."""
        start = _first(day)
        return self.of(meter, account, day.replace(day=1)).holds(start, start + timedelta(days=1))
