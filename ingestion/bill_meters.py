"""Read bills for their meters, once a load: what they charge, of whom, and up to when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import transaction

from finops import clock
from finops.core.amounts import EXACT, MONEY_QUANTUM, ZERO, split_by_weights, to_money
from finops.core.dialect import literal
from finops.core.focus import Granularity
from finops.core.periods import Window
from finops.engine import connect
from ingestion import lake
from ingestion.core.frontier import Bill, Span
from ingestion.core.invoices import METERED
from ingestion.core.meter_map import in_units_of, meter_of
from ingestion.estimate_models import BilledMeter, BillRead
from ingestion.invoice_models import SOURCE_KIND as INVOICES
from ingestion.invoice_models import InvoiceLine
from ingestion.models import LakeFile, Load
from ingestion.selectors import current_bills

if TYPE_CHECKING:
    import duckdb

_PLACES = Decimal("0.0001")
_METERED = ", ".join(literal(one.value) for one in METERED)
"""What may be of a meter: use, and the fee that its average price holds already."""


def read_bills() -> int:
    """Read the current bills that were not read yet; how many there were. Safe to repeat."""
    fresh = current_bills().filter(bill_read__isnull=True).select_related("source")
    count = 0
    for load in fresh.order_by("pk"):
        accounts, rows = _meters_of(load)
        with transaction.atomic():
            # Another worker may have read it meanwhile; what it wrote is the same.
            _, is_new = BillRead.objects.get_or_create(
                load=load, defaults={"accounts": accounts, "read_at": clock.now()}
            )
            if is_new:
                BilledMeter.objects.bulk_create(rows, batch_size=1000)
                count += 1
    return count


def bills(months: Collection[date]) -> list[Bill]:
    """The current bills of ``months``, as far as they were read. Invoices cover the days that they name."""
    current = current_bills().filter(billing_period__in=months)
    through: dict[Any, dict[tuple[str, str], datetime]] = defaultdict(dict)
    for load, meter, account, end in (
        BilledMeter.objects.filter(load__in=current)
        .order_by()
        .values_list("load_id", "meter", "account", "through")
        .distinct()
    ):
        known = through[load].get((meter, account))
        through[load][meter, account] = end if known is None else max(known, end)
    found = [
        Bill(
            provider=load.source.service_provider_name,
            month=load.billing_period,
            data_through=load.data_through,
            accounts=frozenset(load.bill_read.accounts),
            through=through.get(load.pk, {}),
        )
        for load in current.filter(bill_read__isnull=False)
        .exclude(source__kind=INVOICES)
        .select_related("source", "bill_read")
    ]
    for month, named in invoiced_spans().items():
        if month in months:
            spans: dict[tuple[str, str], list[Span]] = defaultdict(list)
            for meter, account, *days in named:
                start, until = (datetime.combine(day, time(), UTC) for day in days)
                spans[meter, account].append((start, until))
            told = {about: tuple(of_one) for about, of_one in spans.items()}
            found.append(Bill(provider="", month=month, data_through=None, spans=told))
    return found


def invoiced_spans() -> dict[date, list[tuple[str, str, date, date]]]:
    """Month → meter, account, first day and the day after the last one of each line of an invoice of a meter.

    Whether an invoice is spread by usage or not, and whatever usage is known: the days that it names are paid.
    """
    rows = InvoiceLine.objects.filter(
        invoice__is_void=False, charge_category__in=[one.value for one in METERED]
    ).exclude(meter="")
    found: dict[date, list[tuple[str, str, date, date]]] = defaultdict(list)
    for meter, account, start, end in rows.order_by("pk").values_list(
        "meter", "account", "service_start", "service_end"
    ):
        for month in Window(start, end).each_month():
            found[month].append((meter, account, start, end))
    return found


def _meters_of(load: Load) -> tuple[list[str], list[BilledMeter]]:
    files = lake.files(LakeFile.Kind.CHARGES, [load])
    if not files:
        return [], []
    relation = f"read_parquet([{', '.join(map(literal, files.paths))}], hive_partitioning=false)"
    with connect() as engine:
        accounts = {
            account
            for row in engine.execute(
                f"SELECT DISTINCT sub_account_id, billing_account_id FROM {relation}"
            ).fetchall()
            for account in row
            if account
        }
        meters = {
            about: meter
            for about in engine.execute(
                "SELECT DISTINCT service_provider_name, x_service_code, x_usage_type, sku_id "
                f"FROM {relation} WHERE charge_category IN ({_METERED})"
            ).fetchall()
            if (
                meter := meter_of(
                    about[0] or "",
                    service_code=about[1] or "",
                    usage_type=about[2] or "",
                    sku=about[3] or "",
                )
            )
        }
        rows = _billed(engine, relation, list(meters)) if meters else []
    return sorted(accounts), _summed(load, ((meters[row[:4]], *row[4:]) for row in rows))


def _billed(
    engine: duckdb.DuckDBPyConnection, relation: str, kinds: list[tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    names = ("service_provider_name", "x_service_code", "x_usage_type", "sku_id")
    wanted = " OR ".join(
        "("
        + " AND ".join(
            f"{name} IS NOT DISTINCT FROM {'NULL' if value is None else literal(value)}"
            for name, value in zip(names, kind, strict=True)
        )
        + ")"
        for kind in kinds
    )
    return engine.execute(
        f"""
        SELECT {", ".join(names)}, coalesce(sub_account_id, '') AS account, billing_currency, granularity,
               CAST(charge_period_start AS DATE) AS day,
               CASE WHEN granularity = {literal(Granularity.MONTH.value)}
                    THEN charge_period_end END AS until,
               consumed_unit, CAST(sum(consumed_quantity) AS DECIMAL(38,18)),
               CAST(sum(billed_cost) AS DECIMAL(38,18)), max(charge_period_end)
        FROM {relation}
        WHERE charge_category IN ({_METERED}) AND ({wanted})
        GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()


def _summed(load: Load, rows: Iterable[tuple[Any, ...]]) -> list[BilledMeter]:
    """One row a meter, account, day and currency; a monthly charge is even over its days."""
    quantities: dict[tuple[str, str, str, bool, date], Decimal | None] = {}
    costs: dict[tuple[str, str, str, bool, date], Decimal] = defaultdict(Decimal)
    ends: dict[tuple[str, str], datetime] = {}
    for meter, account, currency, granularity, day, until, unit, quantity, cost, end in rows:
        through = end.replace(tzinfo=UTC)
        ends[meter, account] = max(ends.get((meter, account), through), through)
        amount = in_units_of(meter, quantity, unit or "")
        days = _days(day, until)
        even = [1] * len(days)
        shares = split_by_weights(to_money(cost), even, quantum=MONEY_QUANTUM)
        parts: list[Decimal] | list[None] = (
            [None] * len(days)
            if amount is None
            else split_by_weights(amount.quantize(_PLACES), even, quantum=_PLACES)
        )
        for when, share, part in zip(days, shares, parts, strict=True):
            key = (meter, account, currency, granularity == Granularity.MONTH, when)
            costs[key] = EXACT.add(costs[key], share)
            known = quantities.get(key, ZERO)
            quantities[key] = None if known is None or part is None else EXACT.add(known, part)
    return [
        BilledMeter(
            load=load,
            meter=key[0],
            account=key[1],
            billing_currency=key[2],
            is_monthly=key[3],
            day=key[4],
            quantity=quantities[key],
            billed_cost=cost,
            through=ends[key[0], key[1]],
        )
        for key, cost in sorted(costs.items())
    ]


def _days(day: date, until: datetime | None) -> list[date]:
    if until is None:
        return [day]
    count = max((until.date() - day).days, 1)
    return [day + timedelta(days=number) for number in range(count)]
