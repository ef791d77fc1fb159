"""Whatever comes in whatever order: each minute of use is on a bill or in an estimate, never in both or in neither."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.models import LedgerDay
from finops import clock
from finops.core.amounts import to_money
from finops.core.focus import ChargeCategory, CostKind, Granularity, ServiceCategory
from finops.core.periods import add_months, days_in_month, month_start
from finops.engine import connect
from ingestion import lake
from ingestion.cloudflare.store import Advance, Part, store_day
from ingestion.core.charge_line import ChargeLine
from ingestion.core.cloudflare_queries import WORKERS
from ingestion.core.invoices import Bill, Line
from ingestion.core.list_prices import HELD_FROM, READ_ON
from ingestion.core.meters import CLOUDFLARE
from ingestion.core.pricing import Price
from ingestion.core.usage import UsageFact
from ingestion.estimating import estimate, is_stale
from ingestion.invoice_models import Invoice
from ingestion.invoices import charge_months, take_bills
from ingestion.made_load import Made, load_made
from ingestion.models import Connection, LakeFile, Load, Source
from ingestion.price_models import PriceListEntry
from ingestion.price_services import add_price

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 7, 10, 6, 20, tzinfo=UTC)
FIRST, COUNT = date(2026, 1, 1), 7
METER = "worker_requests"
ACCOUNTS = ("a", "b")
RATE = Decimal("0.03")
MINUTE = timedelta(minutes=1)

months = st.integers(0, COUNT - 1)
days = st.integers(0, 27)
accounts = st.sampled_from(ACCOUNTS)
deeds = st.one_of(
    st.tuples(st.just("usage"), months, days, st.integers(0, 23), accounts, st.integers(1, 900)),
    st.tuples(st.just("bill"), months, days, st.integers(1, 24 * 60 - 1), accounts),
    st.tuples(st.just("withdraw"), months, accounts),
    st.tuples(
        *(st.just("invoice"), st.integers(1, 2), months, days),
        *(st.integers(1, 40), st.sampled_from(("", *ACCOUNTS))),
    ),
    st.tuples(st.just("void"), st.integers(1, 2)),
    st.tuples(st.just("estimate")),
)


class World:
    """What has come so far, beside the product's own record of it."""

    def __init__(self) -> None:
        self.used: dict[tuple[datetime, str], int] = {}
        self.billed: dict[tuple[date, str], datetime] = {}
        self.invoiced: dict[int, tuple[date, date, str]] = {}
        self.connection, _ = Connection.objects.get_or_create(
            slug="edge",
            kind="cloudflare_usage",
            location="https://api.example",
            defaults={"created_at": NOW},
        )
        self.source, _ = Source.objects.get_or_create(
            slug="edge",
            kind="cloudflare_usage",
            identity="a",
            name="Edge",
            defaults={"created_at": NOW},
        )

    def usage(self, month: int, day: int, hour: int, account: str, quantity: int) -> None:
        when = add_months(FIRST, month) + timedelta(days=day)
        moment = datetime.combine(when, time(hour), UTC)
        if moment + timedelta(hours=1) > NOW:
            return
        self.used[moment, account] = quantity
        self.store(when)

    def store(self, when: date) -> None:
        facts = [
            UsageFact(start, METER, Decimal(quantity), account=account, script=f"of-{account}")
            for (start, account), quantity in self.used.items()
            if start.date() == when
        ]
        targets = tuple((WORKERS.id, account) for account in ACCOUNTS)
        through = NOW.replace(minute=0)
        store_day(
            source=self.source,
            day=when,
            facts=facts,
            parts=[Part((METER,))],
            advance=Advance(self.connection, targets, through),
        )

    def bill(self, month: int, day: int, minute: int, account: str) -> None:
        first = add_months(FIRST, month)
        end = datetime.combine(first, time(), UTC) + timedelta(days=day, minutes=minute)
        self.billed[first, account] = end
        self.load(first, account, [self.line(first, account, end)])

    def withdraw(self, month: int, account: str) -> None:
        first = add_months(FIRST, month)
        if self.billed.pop((first, account), None):
            self.load(first, account, [])

    @staticmethod
    def line(first: date, account: str, end: datetime) -> ChargeLine:
        return ChargeLine(
            billing_period_start=first,
            charge_period_start=max(end - timedelta(hours=1), datetime.combine(first, time(), UTC)),
            charge_period_end=end,
            granularity=Granularity.HOUR,
            service_provider_name=CLOUDFLARE,
            service_name="Workers",
            service_category=ServiceCategory.COMPUTE,
            billed_cost=Decimal(1000),
            effective_cost=Decimal(1000),
            billing_currency="USD",
            sub_account_id=account,
            x_usage_type=METER,
        )

    @staticmethod
    def load(first: date, account: str, lines: list[ChargeLine]) -> None:
        made = Made(
            source_kind="focus",
            identity=f"bill {account}",
            source_slug=f"bill-{account}",
            source_name=f"Bill {account}",
            service_provider_name=CLOUDFLARE,
            key=f"bill {account}",
        )
        load_made(made, billing_period=first, lines=lines, kind=CostKind.BILLED)

    def invoice(self, number: int, month: int, day: int, length: int, account: str) -> None:
        start = add_months(FIRST, month) + timedelta(days=day)
        end = start + timedelta(days=length)
        self.invoiced[number] = (start, end, account)
        line = Line(
            description="Requests",
            service_name="Workers",
            service_category=ServiceCategory.COMPUTE,
            charge_category=ChargeCategory.USAGE,
            service_start=start,
            service_end=end,
            amount=Decimal(5000),
            meter=METER,
            account=account,
        )
        take_bills(bills=[Bill(CLOUDFLARE, f"I{number}", start, "USD", (line,))])

    def void(self, number: int) -> None:
        start_end = self.invoiced.pop(number, None)
        if start_end:
            Invoice.objects.filter(invoice_id=f"I{number}").update(is_void=True)
            touched = {month_start(start_end[0]), month_start(start_end[1])}
            touched |= {add_months(month_start(start_end[0]), 1)}
            charge_months(supplier=CLOUDFLARE, months=touched)

    def is_paid(self, moment: datetime, account: str) -> bool:
        """Whether a bill covers the minute."""
        through = self.billed.get((month_start(moment.date()), account))
        return (through is not None and moment < through) or any(
            start <= moment.date() < end and whose in ("", account)
            for start, end, whose in self.invoiced.values()
        )

    def to_estimate(self) -> dict[tuple[str, date], Fraction]:
        """Account and day → what no bill covers, minute by minute, at the price."""
        found: dict[tuple[str, date], Fraction] = defaultdict(Fraction)
        for (hour, account), quantity in self.used.items():
            minutes = [hour + MINUTE * number for number in range(60)]
            unpaid = sum(not self.is_paid(minute, account) for minute in minutes)
            if unpaid:
                found[account, hour.date()] += Fraction(quantity * unpaid, 60) * Fraction(RATE)
        return dict(found)


def estimated() -> dict[tuple[str, date], Decimal]:
    """Account and day → what the current estimates charge, in the lake."""
    loads = Load.objects.filter(state=Load.State.CURRENT, kind=CostKind.ESTIMATED.value)
    files = lake.files(LakeFile.Kind.CHARGES, list(loads))
    if not files:
        return {}
    with connect() as engine:
        rows: list[tuple[Any, ...]] = engine.execute(
            "SELECT sub_account_id, CAST(charge_period_start AS DATE), sum(billed_cost)"
            " FROM read_parquet(?, hive_partitioning=false) GROUP BY ALL",
            [list(files.paths)],
        ).fetchall()
    return {(account, day): amount for account, day, amount in rows if amount}


def in_ledger() -> dict[date, Decimal]:
    sums: dict[date, Decimal] = defaultdict(Decimal)
    for row in LedgerDay.objects.filter(kind="estimated"):
        sums[row.day] += row.billed_cost
    return {day: amount for day, amount in sums.items() if amount}


def clean() -> None:
    Invoice.objects.all().delete()
    for row in Load.objects.filter(state=Load.State.CURRENT).select_related("source"):
        made = Made(row.source.kind, row.source.identity, row.source.slug, "x", CLOUDFLARE, "clean")
        load_made(made, billing_period=row.billing_period, lines=[], kind=CostKind(row.kind))


@settings(max_examples=15, deadline=None)
@given(found=st.lists(deeds, min_size=4, max_size=14))
def test_each_minute_of_use_is_billed_or_estimated_whatever_comes_in_whatever_order(
    found: list[tuple[Any, ...]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: NOW)
        clean()
        world = World()
        for number in range(COUNT):
            for day in range(days_in_month(add_months(FIRST, number))):
                if world.source.usage_hours.filter(
                    hour__date=add_months(FIRST, number) + timedelta(days=day)
                ).exists():
                    world.store(add_months(FIRST, number) + timedelta(days=day))
        for account in ACCOUNTS:
            _agree(account)
        for name, *about in found:
            if name == "estimate":
                estimate()
            else:
                getattr(world, name)(*about)
        estimate()
        wanted = world.to_estimate()
        lines = estimated()
        assert set(lines) == set(wanted)
        for key, amount in wanted.items():
            assert abs(Fraction(lines[key]) - amount) < Fraction(1, 10**12)
        by_day: dict[date, Decimal] = defaultdict(Decimal)
        for (_account, when), cost in lines.items():
            by_day[when] += cost
        assert {day: to_money(amount) for day, amount in by_day.items()} == pytest.approx(
            in_ledger(), abs=Decimal("0.00000002")
        )
        assert not is_stale(NOW)
        assert estimate().loads == 0


def _agree(account: str) -> None:
    if not PriceListEntry.objects.filter(account=account).exists():
        price = Price(
            provider=CLOUDFLARE,
            meter=METER,
            account=account,
            unit="request",
            unit_size=1,
            unit_price=RATE,
            valid_from=HELD_FROM,
            source="contract",
            source_read_on=READ_ON,
        )
        add_price(price=price, reason="signed", by=None)
