"""Charge lines that were made in Python, as Parquet in the lake and as the totals of a reading.

Memory is bounded by a batch, however many lines there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from finops.core.amounts import EXACT, LAKE_QUANTUM
from finops.core.focus import ChargeCategory, CostKind
from ingestion.core.aws_cur_sql import CHARGE_COLUMNS
from ingestion.core.charge_line import ChargeLine
from ingestion.core.delivery import ChargeReading, CurrencyTotal
from ingestion.core.tags import canonical

_BATCH = 50_000
_AMOUNTS = (
    *("billed_cost", "effective_cost", "contracted_cost", "list_cost"),
    *("x_line_cost", "x_unblended_cost", "x_net_unblended_cost"),
    *("x_unused_cost", "x_unused_quantity"),
    *("commitment_discount_quantity", "consumed_quantity"),
)
_TIMES = ("charge_period_start", "charge_period_end")
_MADE = {"x_tags": "", "x_resource_tags": "", "x_cost_text": "", "x_split_parent": ""}


def read_lines(
    lines: Iterable[ChargeLine],
    folder: Path,
    *,
    kind: CostKind = CostKind.BILLED,
    form: str = "",
    notes: tuple[str, ...] = (),
) -> ChargeReading:
    """Write ``lines`` into ``folder`` and say what they are, without rejects.

    Amounts must have at most 18 decimals (``finops.core.amounts.to_lake``); raises ``ValueError`` for a finer
    one, because the totals would not be those of the lake.
    """
    import pyarrow as pa  # noqa: PLC0415  # loaded with the engine, not with the app
    import pyarrow.parquet as pq  # noqa: PLC0415

    tally = _Tally()
    waiting = iter(lines)
    files: tuple[Path, ...] = ()
    batch = list(islice(waiting, _BATCH))
    if batch:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "part-00000.parquet"
        schema = _schema()
        with pq.ParquetWriter(path, schema, compression="zstd", store_schema=False) as writer:
            while batch:
                for line in batch:
                    tally.add(line)
                writer.write_table(pa.table(_columns(batch), schema))
                batch = list(islice(waiting, _BATCH))
        files = (path,)
    return ChargeReading(
        files=files,
        totals=dict(tally.totals),
        rejects=(),
        line_types=dict(tally.line_types),
        unknown_line_types=(),
        data_through=tally.data_through,
        first_day=tally.first_day,
        last_day=tally.last_day,
        billing_accounts=tuple(sorted(tally.accounts)),
        form=form,
        is_invoiced=tally.is_invoiced and bool(files),
        notes=notes,
        kind=kind,
    )


class _Tally:
    """Totals and facts of the lines so far."""

    def __init__(self) -> None:
        self.totals: dict[str, CurrencyTotal] = {}
        self.line_types: Counter[str] = Counter()
        self.data_through: datetime | None = None
        self.first_day: date | None = None
        self.last_day: date | None = None
        self.accounts: set[str] = set()
        self.is_invoiced = True

    def add(self, line: ChargeLine) -> None:
        old = self.totals.get(line.billing_currency, CurrencyTotal())
        self.totals[line.billing_currency] = replace(
            old,
            source=EXACT.add(old.source, line.billed_cost),
            lines=old.lines + (not line.x_derived),
        )
        self.line_types[line.x_line_item_type] += 1
        last = line.charge_period_end - timedelta(microseconds=1)
        first_day, last_day = line.charge_period_start.date(), last.date()
        self.first_day = min(self.first_day or first_day, first_day)
        self.last_day = max(self.last_day or last_day, last_day)
        if line.charge_category == ChargeCategory.USAGE:
            end = line.charge_period_end
            self.data_through = max(self.data_through or end, end)
        if line.billing_account_id:
            self.accounts.add(line.billing_account_id)
        if line.billed_cost and not line.invoice_id:
            self.is_invoiced = False


def _columns(lines: list[ChargeLine]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    for name in _schema().names:
        if name == "x_tags":
            columns[name] = [canonical(line.tags) if line.tags else "" for line in lines]
        elif name in _MADE:
            columns[name] = [_MADE[name]] * len(lines)
        elif name == "contracted_cost":
            columns[name] = [
                _amount(line.billed_cost if line.contracted_cost is None else line.contracted_cost)
                for line in lines
            ]
        elif name in _AMOUNTS:
            columns[name] = [_amount(getattr(line, name, None)) for line in lines]
        elif name in _TIMES:
            columns[name] = [
                getattr(line, name).astimezone(UTC).replace(tzinfo=None) for line in lines
            ]
        else:
            columns[name] = [getattr(line, name) for line in lines]
    return columns


def _amount(value: Decimal | None) -> Decimal | None:
    if value is None:
        return None
    if int(value.normalize(EXACT).as_tuple().exponent) < _LAKE_EXPONENT:
        msg = f"{value} has more digits than the lake holds: round it with to_lake()."
        raise ValueError(msg)
    return value


_LAKE_EXPONENT = int(LAKE_QUANTUM.as_tuple().exponent)


@cache
def _schema() -> Any:
    import pyarrow as pa  # noqa: PLC0415

    types: dict[str, Any] = dict.fromkeys(_AMOUNTS, pa.decimal128(38, 18))
    types |= dict.fromkeys(_TIMES, pa.timestamp("us"))
    types["billing_period_start"] = pa.date32()
    return pa.schema([(name, types.get(name, pa.string())) for name in CHARGE_COLUMNS])
