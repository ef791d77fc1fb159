"""The second half of the pandas yardstick: who bears the lines, the ledger, and the database."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from bench._pandas import (
    PERIOD,
    charges_of,
    constant,
    pairs_of,
    read,
    remainders_of,
    renamed,
    unused_of,
)
from bench._pandas_amounts import DECIMAL, is_exact, of_units, units, zero
from bench._yardsticks import used_columns
from finops.core.slugs import slug_of
from ingestion.core import aws_cur_columns as cur
from ingestion.core import aws_cur_costs as costs
from ingestion.core.tags import canonical, merge, parse_map

DIMENSIONS = {
    "tenant": ("tenant", "tenant_id", "customer", "customer_id"),
    "environment": ("environment", "env", "stage"),
    "product": ("product", "project", "application", "app"),
    "team": ("team", "owner", "cost_center"),
}
KEY = ["x_tags", "x_resource_tags"]
BEARER = [*DIMENSIONS, "tenant_rule", "tenant_confidence"]
KINDS = [
    *("service_provider_name", "service_category", "service_name", "region_id"),
    *("charge_category", "billing_currency", "granularity"),
]
HOUR = ["hour", "until", *BEARER, *KINDS, "consumed_unit"]
COSTS = ["billed_cost", "effective_cost", "list_cost", "contracted_cost"]
MEASURES = ["billed_cost", "effective_cost", "list_cost", "consumed_quantity"]
MONEY = 8
PLACES = dict.fromkeys(MEASURES[:3], MONEY) | {"consumed_quantity": 4}
"""Decimals in the database."""
SMALL = [
    *("tenant", "service_provider_name", "service_category", "charge_category"),
    *("billing_currency", "tenant_confidence"),
]
UNCERTAIN = [
    *("day", "until", "sub_account_id", "service_name", "charge_category", "is_negative"),
    *("resource_id", "billing_currency"),
]
STEPS = {
    "": "usage",
    "Usage": "usage",
    cur.COVERED: "savings plan covered",
    cur.NEGATION: "savings plan negation",
    cur.PLAN_FEE: "savings plan recurring fee",
    cur.PLAN_UPFRONT: "savings plan upfront fee",
    cur.RESERVED: "reserved usage",
    cur.RESERVATION_FEE: "reservation recurring fee",
    cur.FEE: "other fees",
    "Credit": "promotional credits",
    "Refund": "refunds",
    "Tax": "tax",
    **dict.fromkeys(costs.DISCOUNTS, "discounts"),
}
NAMED = 50
OTHER_CREDIT = re.compile(r"free tier|service level|\bsla\b|billing (error|adjustment)|goodwill")


def run(paths: Sequence[Path], work: Path, connection: Any, *, exact: bool) -> dict[str, Any]:
    """Everything from the files to the tables, in decimals or in floats; sums and numbers of rows."""
    columns = used_columns(paths[0])
    bill = Bill(work)
    for path in paths:
        frame, digest = read(path, columns, exact=exact)
        charges = charges_of(frame)
        del frame  # two of these take room
        bill.files.append((path.name, digest, len(charges)))
        bill.pairs.append(pairs_of(charges))
        bill.unused.append(unused_of(charges))
        bill.add(charges)
    derived = together([*bill.unused, remainders_of(together(bill.pairs))])
    if len(derived):
        bill.add(derived)
    tables = bill.tables()
    store(tables, connection)
    days = tables["ledger_day"]
    sums = {name: days[name].sum() for name in MEASURES[:3]}
    rows = {name: len(table) for name, table in tables.items()}
    return sums | rows | {"hourly": bill.hour_rows}


class Bill:
    """What is kept of the files, one after the other: sums, never lines."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.files: list[tuple[str, str, int]] = []
        self.unused: list[Any] = []
        self.pairs: list[Any] = []
        self.keys: list[Any] = []
        self.hours: list[Any] = []
        self.open: list[Any] = []
        self.candidates: list[Any] = []
        self.steps: list[Any] = []
        self.totals: list[Any] = []
        self.hour_rows = 0

    def add(self, charges: Any) -> None:
        """Write the lines to the lake and add them up."""
        number = len(self.totals)
        charges.to_parquet(self.work / f"charges-{number}.parquet", compression="zstd")
        keys = charges[KEY].drop_duplicates()
        meaning = pd.DataFrame([meaning_of(*pair) for pair in keys.itertuples(index=False)])
        self.keys.append(pd.concat([keys.reset_index(drop=True), meaning], axis=1).astype(str))
        lines = pd.concat([charges, borne(charges, keys, meaning)], axis=1)
        lines["hour"] = lines["charge_period_start"].dt.floor("h")
        lines["until"] = lines["charge_period_end"].where(lines["granularity"] == "month")
        self.hours.append(summed(lines, HOUR))
        self.open.append(uncertain_of(lines))
        certain = lines[(lines["tenant"] != "") & (lines["x_pool"] == "")]
        self.candidates.append(certain[["sub_account_id", "tenant"]].drop_duplicates())
        self.steps.append(steps_of(lines))
        self.totals.append(
            lines.groupby(["billing_currency", "x_derived"], observed=True).agg(
                billed=("billed_cost", "sum"), lines=("billed_cost", "size")
            )
        )

    def tables(self) -> dict[str, Any]:
        """The lake's small files, and every table of the database."""
        together(self.keys).drop_duplicates(KEY).to_parquet(self.work / "allocated.parquet")
        hours = together(self.hours)
        if len(self.hours) > 1:
            hours = summed(hours, HOUR)
        hours.to_parquet(self.work / "hourly.parquet", compression="zstd")
        self.hour_rows = len(hours)
        days, months = ledger_of(hours)
        ledger = {
            "ledger_day": days,
            "ledger_month": months,
            "pnl_day": summed(days, ["day", *SMALL], MEASURES[:2]),
            "pnl_month": summed(months, ["month", *SMALL], MEASURES[:2]),
        }
        return {
            **{
                name: table.assign(load=1, source=1, kind=constant("billed", len(table)))
                for name, table in ledger.items()
            },
            "uncertain": named(together(self.open)),
            "candidate": together(self.candidates).drop_duplicates(),
            "bridge": summed(together(self.steps), ["billing_currency", "step"], COSTS),
            "digest": digests(days),
            "file": pd.DataFrame(self.files, columns=["name", "sha256", "lines"]),
            "total": self._control_totals(days),
        }

    def _control_totals(self, days: Any) -> Any:
        """Source, allocated and unallocated by currency; refuses what does not add up."""
        read_in = pd.concat(self.totals).groupby("billing_currency", observed=True).sum()
        borne_by = (days["tenant"] != "").map({True: "allocated", False: "unallocated"})
        parts = days.groupby(["billing_currency", borne_by], observed=True)["billed_cost"].sum()
        if is_exact(days["billed_cost"]):  # a handful of rows
            read_in, parts = read_in.astype({"billed": object}), parts.astype(object)
        totals = read_in.join(parts.unstack(fill_value=zero(days["billed_cost"].dtype)))
        rest = totals["billed"] - totals["allocated"] - totals["unallocated"]
        if any(abs(amount) > 1e-3 for amount in rest):
            msg = f"The ledger does not add up: {rest.to_dict()}"
            raise SystemExit(msg)
        return totals.assign(rounding=rest).reset_index()


def meaning_of(tags_text: str, resource_text: str) -> dict[str, Any]:
    """Who a key's tags name."""
    tags = merge(parse_map(tags_text), parse_map(resource_text))
    made: dict[str, Any] = {"tags": canonical(tags), "share": 1.0}
    for dimension, names in DIMENSIONS.items():
        found = next((name for name in names if slug_of(tags.get(name, ""))), "")
        slug = slug_of(tags.get(found, ""))
        made[dimension] = slug
        made[f"{dimension}_rule"] = f"tag {found}={slug} v1" if slug else "unallocated v1"
        made[f"{dimension}_confidence"] = 1.0 if slug else 0.0
    return made


def borne(charges: Any, keys: Any, meaning: Any) -> Any:
    """Who bears each line; nobody those of a pool."""
    pools = [pool for pool in charges["x_pool"].cat.categories if pool]
    nobody = [
        {
            **dict.fromkeys(DIMENSIONS, ""),
            "tenant_rule": f"pool {pool} v1",
            "tenant_confidence": 0.0,
        }
        for pool in pools
    ]
    who = pd.concat([meaning, pd.DataFrame(nobody)])[BEARER].astype("category")
    place = pd.DataFrame({"place": np.arange(len(keys))}, pd.MultiIndex.from_frame(keys))
    both = pd.MultiIndex.from_frame(charges[KEY])
    number = place.index.get_indexer(both)
    for extra, pool in enumerate(pools):
        number = np.where(charges["x_pool"] == pool, len(meaning) + extra, number)
    return pd.DataFrame({name: who[name].array.take(number) for name in BEARER}, charges.index)


def summed(frame: Any, by: Sequence[str], measures: Sequence[str] = MEASURES) -> Any:
    """Measures and ``lines`` by the columns ``by``; a sum of nothing stays empty."""
    groups = frame.groupby(list(by), observed=True, sort=False, dropna=False)
    sums = groups[list(measures)].sum(min_count=1)
    sums["lines"] = groups["lines"].sum() if "lines" in frame else groups.size()
    return sums.reset_index()


def in_one_unit(frame: Any, by: Sequence[str]) -> Any:
    """Like ``summed``, with the unit of each group; without quantity where there are several."""
    kind = frame["consumed_unit"].dtype
    numbered = frame.assign(first=frame["consumed_unit"].cat.codes)
    sums = summed(frame, by)
    groups = numbered.groupby(list(by), observed=True, sort=False, dropna=False)["first"]
    first, last = groups.min().to_numpy(), groups.max().to_numpy()
    same = first == last
    units = pd.Series(pd.Categorical.from_codes(np.where(same, first, -1), dtype=kind))
    if "" not in kind.categories:
        units = units.cat.add_categories("")
    quantity = sums["consumed_quantity"].where(same)
    return sums.assign(consumed_quantity=quantity, consumed_unit=units.fillna(""))


def ledger_of(hours: Any) -> tuple[Any, Any]:
    """The ledger by day and by month, rounded on the day, monthly lines accrued over their days."""
    dated = hours.assign(day=hours["hour"].dt.floor("D"), until=hours["until"].dt.floor("D"))
    about = [*BEARER, *KINDS]
    days = in_one_unit(dated, ["day", "until", *about])
    days = rounded(days, MEASURES)
    if days["until"].notna().any():
        days = in_one_unit(accrued(days, MEASURES), ["day", *about])
    days = days.drop(columns="until", errors="ignore")
    months = days.assign(month=days["day"].to_numpy().astype("datetime64[M]"))
    return days, in_one_unit(months, ["month", *about])


def accrued(rows: Any, measures: Sequence[str]) -> Any:
    """Monthly rows over the days of the billing period that they are about; lines count on the first."""
    after = PERIOD + pd.offsets.MonthBegin(1)
    first = rows["day"].clip(lower=PERIOD).where(rows["until"].notna(), rows["day"])
    many = (rows["until"].clip(upper=after) - first).dt.days.fillna(1).clip(lower=1).astype(int)
    spread = rows.assign(day=first).loc[rows.index.repeat(many)]
    number = spread.groupby(level=0).cumcount()
    shares = {
        name: shared(spread[name], PLACES[name], many.loc[spread.index], number)
        for name in measures
    }
    return spread.assign(
        **shares,
        day=spread["day"] + pd.to_timedelta(number, unit="D"),
        lines=spread["lines"].where(number == 0, 0),
    ).reset_index(drop=True)


def rounded(frame: Any, measures: Sequence[str]) -> Any:
    """The frame with as many decimals as the database has; a frame's own method leaves decimals as they are."""
    return frame.assign(**{name: frame[name].round(PLACES[name]) for name in measures})


def shared(amounts: Any, places: int, many: Any, number: Any) -> Any:
    """Each amount over so many days; the first bear the last units that are left over."""
    if not is_exact(amounts):
        return amounts.div(many).round(places)
    whole = units(amounts, places)
    each, left = np.divmod(np.abs(whole), many.to_numpy())
    parts = np.sign(whole) * (each + (number.to_numpy() < left))
    return of_units(parts, places, amounts.dtype, amounts.index).mask(amounts.isna())


def uncertain_of(lines: Any) -> Any:
    """Cost that no tenant bears and no pool holds, by resource."""
    found = lines[(lines["tenant"] == "") & (lines["x_pool"] == "")]
    dated = found.assign(
        day=found["charge_period_start"].dt.floor("D"),
        until=found["until"].dt.floor("D"),
        is_negative=(found["effective_cost"] < zero(found["effective_cost"].dtype)).to_numpy(bool),
    )
    return summed(dated, UNCERTAIN, MEASURES[:2])


def named(found: Any) -> Any:
    """The largest resources of each account by name, and the rest of the account in one."""
    account = ["sub_account_id", "resource_id"]
    sizes = found.assign(size=found["effective_cost"].abs()).groupby(account, observed=True)["size"]
    places = sizes.sum().reset_index()
    places = places.sort_values(["size", "resource_id"], ascending=[False, True])
    largest = places[places.groupby("sub_account_id", observed=True).cumcount() < NAMED]
    is_large = pd.MultiIndex.from_frame(found[account]).isin(
        pd.MultiIndex.from_frame(largest[account])
    )
    resources = found["resource_id"].astype(object).where(is_large, "").astype("category")
    sums = summed(found.assign(resource_id=resources), UNCERTAIN, MEASURES[:2])
    spread = accrued(rounded(sums, MEASURES[:2]), MEASURES[:2])
    return spread.drop(columns=["until", "is_negative"])


def steps_of(lines: Any) -> Any:
    """The bridge from billed to effective cost."""
    step = renamed(lines["x_line_item_type"], lambda name: STEPS.get(name, "unknown line types"))
    kind, credit = lines["x_line_item_type"], lines["charge_description"]
    step = step.astype(object)
    goodwill = renamed(credit, lambda text: "other" if OTHER_CREDIT.search(text.lower()) else "")
    step[(kind == "Credit") & (goodwill == "other")] = "other credits"
    step[(kind == cur.FEE) & (lines["commitment_discount_id"] != "")] = "reservation upfront fee"
    step[lines["x_split_parent"] != ""] = "split cost rows"
    derived = lines["x_derived"] != ""
    step[derived] = lines["x_derived"][derived].astype(object)
    return summed(lines.assign(step=step), ["billing_currency", "step"], COSTS)


def digests(days: Any) -> Any:
    """One number over each day's rows, whatever their order."""
    hashed = pd.util.hash_pandas_object(days, index=False)
    return hashed.groupby(days["day"]).sum().astype(str).rename("digest").reset_index()


def together(frames: Sequence[Any]) -> Any:
    """The frames one below the other; categoricals stay such."""
    if len(frames) == 1:
        return frames[0].reset_index(drop=True)
    columns = {}
    for name in frames[0]:
        parts = [frame[name] for frame in frames]
        is_text = isinstance(parts[0].dtype, pd.CategoricalDtype)
        columns[name] = union_categoricals(parts) if is_text else pd.concat(parts).array
    return pd.DataFrame(columns)


def store(tables: dict[str, Any], connection: Any) -> None:
    """Write the tables, all or none."""
    if isinstance(connection, sqlite3.Connection):
        for name, table in tables.items():
            in_units(table).to_sql(name, connection, index=False, chunksize=10_000)
        connection.commit()
        return
    with connection.cursor() as cursor:
        for name, table in tables.items():
            columns = ", ".join(
                f'"{column}" {_type(kind)}' for column, kind in table.dtypes.items()
            )
            cursor.execute(f'CREATE TABLE "{name}" ({columns})')
            with cursor.copy(f'COPY "{name}" FROM STDIN (FORMAT csv)') as copy:
                copy.write(table.to_csv(index=False, header=False))
    connection.commit()


def in_units(table: Any) -> Any:
    """Exact amounts as SQLite can hold them: whole units of the last decimal, and texts for longer ones."""
    exact = [name for name in table if is_exact(table[name])]
    whole = {
        name: pd.Series(units(table[name].round(MONEY), MONEY), table.index, dtype="Int64").mask(
            table[name].isna()
        )
        for name in exact
    }
    longer = {name: table[name].astype(str) for name in table if _is_decimals(table[name])}
    return table.assign(**whole, **longer)


def _is_decimals(column: Any) -> bool:
    return column.dtype == object and any(isinstance(value, Decimal) for value in column)


def _type(kind: Any) -> str:
    if kind == DECIMAL:
        return "numeric"
    if pd.api.types.is_datetime64_any_dtype(kind):
        return "timestamp"
    if pd.api.types.is_integer_dtype(kind):
        return "bigint"
    return "double precision" if pd.api.types.is_float_dtype(kind) else "text"
