"""The yardstick of `bench/ingest.py`: the product's work as one writes it with pandas.

The same checks, the same columns and line types, the same tables in the lake and in the database (without
their indexes), exact to the last digit; or all of it in floats, which is not the same work. Texts are categoricals,
so that every group by runs on numbers.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from bench._pandas_amounts import (
    FLOAT,
    choose,
    is_amount,
    is_not_zero,
    minus,
    or_zero,
    plus,
    same,
    typed,
    zero,
)
from ingestion.core import aws_cur_columns as cur
from ingestion.core import aws_cur_costs as costs
from ingestion.core.aws_cur_rows import MONTHLY
from ingestion.core.aws_cur_sql import CHARGE_COLUMNS, PROVIDER
from ingestion.core.aws_services import DISKS, SERVICES, TRAFFIC

PERIOD = pd.Timestamp("2026-10-01")
NUMBERS = [number.source for number in cur.NUMBERS]


class Counted(io.RawIOBase):
    """Unpacked bytes on their way to the reader, which decodes them: their lines are counted."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self.stream = stream
        self.lines = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data = self.stream.read(size)
        self.lines += data.count(b"\n")
        return data


def read(path: Path, columns: Sequence[str], *, exact: bool) -> tuple[Any, str]:
    """The file's used columns, and its digest: numbers as decimals or floats, texts as categoricals."""
    # pandas has no reader of decimals: of its readers of text this one is the fastest that keeps every digit.
    number = "string[pyarrow]" if exact else "float64"
    with path.open("rb") as packed:
        digest = hashlib.file_digest(packed, "sha256").hexdigest()
    with gzip.open(path) as stream:
        counted = Counted(stream)
        frame = pd.read_csv(
            counted,
            usecols=list(columns),
            dtype={name: number if name in NUMBERS else "category" for name in columns},
            keep_default_na=False,
            na_values={name: [""] for name in NUMBERS},
        )
    if counted.lines - 1 != len(frame):
        msg = f"{path.name}: {counted.lines} lines and {len(frame)} rows"
        raise SystemExit(msg)
    return typed(frame, NUMBERS) if exact else frame, digest


def constant(text: str | None, rows: int) -> Any:
    """A column that says the same in every line."""
    return pd.Categorical.from_codes(np.zeros(rows, "int8"), [text or ""])


def choice(conditions: Sequence[Any], texts: Sequence[str], otherwise: str) -> Any:
    """The text of the first condition that holds, as a categorical."""
    names = list(dict.fromkeys([*texts, otherwise]))
    codes = np.select(
        list(conditions), [names.index(text) for text in texts], names.index(otherwise)
    )
    return pd.Categorical.from_codes(codes.astype("int8"), names)


def filled(frame: Any, names: Iterable[str], default: str = "") -> Any:
    """The first of these columns that is filled, line by line."""
    found = [frame[name] for name in names if name in frame]
    if default or not found:
        found.append(pd.Series(constant(default, len(frame)), frame.index))
    result = found[0]
    for other in found[1:]:
        empty = (result == "").to_numpy()
        if empty.any():
            both = union_categoricals([result, other])
            codes = np.where(empty, both.codes[len(frame) :], both.codes[: len(frame)])
            result = pd.Series(pd.Categorical.from_codes(codes, both.categories), frame.index)
    return result


def renamed(column: Any, name: Callable[[str], str]) -> Any:
    """A categorical whose texts are called by other names, several by one perhaps."""
    codes, texts = pd.factorize(np.array([name(text) for text in column.cat.categories], object))
    return pd.Series(pd.Categorical.from_codes(codes[column.cat.codes], texts), column.index)


def only(column: Any, where: Any) -> Any:
    """The categorical's texts where the condition holds, and no text elsewhere."""
    missing = [] if "" in column.cat.categories else [""]
    return column.cat.add_categories(missing).where(where, "")


def holds(column: Any, marks: Iterable[str]) -> Any:
    """Whether the text has one of the marks in it."""
    found = np.array([any(mark in text for mark in marks) for text in column.cat.categories], bool)
    return found[column.cat.codes]


def services(code: Any, usage: Any, product: Any) -> tuple[Any, Any]:
    """Name and category of each line's service."""
    title = renamed(code, lambda name: SERVICES[name][0] if name in SERVICES else "")
    if (title == "").any():
        told = renamed(product, lambda text: json.loads(text or "{}").get("product_name", ""))
        named = pd.DataFrame({"title": title, "told": told, "code": code})
        title = filled(named, ["title", "told", "code"], "Unnamed service")
    group = renamed(code, lambda name: SERVICES[name][1].value if name in SERVICES else "Other")
    networking, storage = SERVICES["AmazonVPC"][1].value, SERVICES["AmazonS3"][1].value
    needed = [name for name in (networking, storage) if name not in group.cat.categories]
    group = group.cat.add_categories(needed)
    group = group.mask((code == "AmazonEC2") & holds(usage, DISKS), storage)
    return title, group.mask(holds(usage, TRAFFIC), networking)


def moments(column: Any, part: int | None = None) -> Any:
    """The times of a categorical of texts; ``part`` is that of an interval."""
    texts = pd.Series(column.cat.categories.astype(str))
    if part is not None:
        texts = texts.str.split("/").str.get(part)
    times = pd.to_datetime(texts.replace("", None), utc=True, format="ISO8601").dt.tz_localize(None)
    return pd.Series(times.to_numpy()[column.cat.codes], column.index)


def charges_of(frame: Any) -> Any:
    """Charge lines with the columns of the lake."""
    rows = len(frame)
    amount = frame[cur.COST].dtype
    nothing = same(None, amount, frame.index)
    number = {name: frame.get(name, nothing) for name in NUMBERS}
    made = {
        column.focus: filled(frame, column.sources, column.default or "") for column in cur.COLUMNS
    }
    kind, usage = made["x_line_item_type"], made["x_usage_type"]
    plan, reservation = (filled(frame, [name]) for name in (cur.PLAN, cur.RESERVATION))
    parent = filled(frame, [cur.SPLIT_PARENT])
    used_from, used_until = moments(frame[cur.USAGE_START]), moments(frame[cur.USAGE_END])
    is_month = used_until - used_from > MONTHLY
    start = moments(frame[cur.INTERVAL], 0).fillna(used_from).mask(is_month, used_from)
    end = moments(frame[cur.INTERVAL], 1).fillna(used_until).mask(is_month, used_until)
    took = end - start

    unblended, net = or_zero(number[cur.COST]), number[cur.NET_COST]
    costed = ~kind.isin(costs.DISCOUNTS) & is_not_zero(unblended)
    is_net = bool(net[costed].notna().all() and is_not_zero(net[costed]).any())
    line = or_zero(net) if is_net else unblended
    split = parent != ""
    paired = kind.isin([cur.COVERED, cur.NEGATION]) & (plan != "")
    off = split | (paired & (kind == cur.NEGATION))
    is_plan_fee, is_reserved_fee = kind == cur.PLAN_FEE, kind == cur.RESERVATION_FEE
    bought = (kind == cur.FEE) & (reservation != "")
    fee = kind.isin([cur.PLAN_FEE, cur.PLAN_UPFRONT, cur.RESERVATION_FEE]) | bought
    is_plan = fee & ~is_reserved_fee & ~bought | kind.isin([cur.COVERED, cur.NEGATION])
    reserved = kind == cur.RESERVED
    is_reservation = reserved | is_reserved_fee | bought
    listed = number[cur.LIST_COST]
    of_plan = number[cur.PLAN_NET_EFFECTIVE if is_net else cur.PLAN_EFFECTIVE]
    of_reservation = number[cur.RESERVATION_NET_EFFECTIVE if is_net else cur.RESERVATION_EFFECTIVE]
    unspent = minus(or_zero(number[cur.PLAN_COMMITMENT]), or_zero(number[cur.PLAN_USED]))
    upfront = or_zero(number[cur.UNUSED_NET_UPFRONT if is_net else cur.UNUSED_UPFRONT])
    recurring = or_zero(number[cur.UNUSED_NET_RECURRING if is_net else cur.UNUSED_RECURRING])
    is_normalized = is_not_zero(number[cur.NORMALIZED_USAGE])
    hours = number[cur.NORMALIZED_USAGE].where(is_normalized, number[cur.USAGE])
    unused = number[cur.UNUSED_NORMALIZED].where(
        is_not_zero(number[cur.UNUSED_NORMALIZED]), number[cur.UNUSED_QUANTITY]
    )
    none = zero(amount)
    uses = [name for name, group in costs.LINE_TYPES.items() if group.value == "Usage"]
    consumes = kind.isin(["", *uses]) & (kind != cur.NEGATION) & ~split

    title, group = services(made["x_service_code"], usage, filled(frame, [cur.PRODUCT]))
    types = {"": "Usage", **{name: found.value for name, found in costs.LINE_TYPES.items()}}
    made |= {
        "billing_period_start": pd.Series(np.full(rows, PERIOD.to_datetime64()), frame.index),
        "charge_period_start": start,
        "charge_period_end": end,
        "granularity": choice(
            [is_month | (took > pd.Timedelta(days=1)), took > pd.Timedelta(hours=1)],
            ["month", "day"],
            "hour",
        ),
        "charge_category": renamed(kind, lambda name: types.get(name, "Adjustment")),
        "charge_class": choice([kind.isin(costs.CORRECTIONS)], ["Correction"], ""),
        "service_provider_name": constant(PROVIDER, rows),
        "consumed_unit": only(made["pricing_unit"], consumes),
        "service_name": title,
        "service_category": group,
        "billed_cost": choose([split | paired], [none], line, amount),
        "effective_cost": choose(
            [off, paired, fee, reserved],
            [none, of_plan.fillna(line), none, of_reservation.fillna(line)],
            line,
            amount,
        ),
        "contracted_cost": choose([off, reserved], [none, listed.fillna(line)], line, amount),
        "list_cost": choose([off], [none], listed, amount),
        "x_line_cost": choose([split | paired], [line], None, amount),
        "x_unblended_cost": choose([line != unblended], [unblended], None, amount),
        "x_net_unblended_cost": net,
        "x_unused_cost": choose(
            [is_plan_fee, is_reserved_fee], [unspent, plus(upfront, recurring)], None, amount
        ),
        "x_unused_quantity": choose(
            [is_plan_fee, is_reserved_fee], [unspent, unused], None, amount
        ),
        "commitment_discount_id": filled(
            pd.DataFrame({"a": only(plan, is_plan), "b": only(reservation, is_reservation)}),
            ["a", "b"],
        ),
        "commitment_discount_category": choice([is_plan, is_reservation], ["Spend", "Usage"], ""),
        "commitment_discount_status": choice(
            [kind.isin([cur.COVERED, cur.RESERVED])], ["Used"], ""
        ),
        "commitment_discount_quantity": choose(
            [kind == cur.COVERED, is_plan & fee, is_reservation],
            [number[cur.PLAN_EFFECTIVE], unblended, hours],
            None,
            amount,
        ),
        "commitment_discount_unit": choice(
            [is_plan, is_reservation & is_normalized, is_reservation],
            [cur.DEFAULT_CURRENCY, costs.NORMALIZED_HOUR, costs.HOUR],
            "",
        ),
        "pricing_category": choice(
            [kind.isin([cur.COVERED, cur.RESERVED]), holds(usage, ["SpotUsage"])],
            ["Committed", "Dynamic"],
            "Standard",
        ),
        "charge_frequency": choice(
            [is_plan_fee | is_reserved_fee, kind.isin([cur.PLAN_UPFRONT, cur.FEE])],
            ["Recurring", "One-Time"],
            "Usage-Based",
        ),
        "x_pool": choice([fee], [costs.FEES_POOL], ""),
        "x_derived": constant("", rows),
        "consumed_quantity": choose([consumes], [number[cur.USAGE]], None, amount),
        "x_cost_text": constant("", rows),
        "x_split_parent": parent,
        "x_tags": filled(frame, [cur.TAGS]),
        "x_resource_tags": filled(frame, [cur.RESOURCE_TAGS]),
    }
    return pd.DataFrame({name: made[name] for name in CHARGE_COLUMNS}, frame.index)


def unused_of(charges: Any) -> Any:
    """Derived lines: what of a commitment nobody used."""
    found = charges[is_not_zero(charges["x_unused_cost"])]
    return bare(found).assign(
        charge_category=constant("Usage", len(found)),
        effective_cost=found["x_unused_cost"],
        pricing_category=constant("Committed", len(found)),
        commitment_discount_status=constant("Unused", len(found)),
        commitment_discount_quantity=found["x_unused_quantity"],
        x_pool=constant(costs.UNUSED, len(found)),
        x_derived=constant(costs.UNUSED, len(found)),
    )


def remainders_of(pairs: Any) -> Any:
    """Derived lines: in which hours covered usage and its negation do not cancel, one line an hour."""
    pair = ["commitment_discount_id", "charge_period_start", "billing_currency"]
    rest = pairs.groupby(pair, observed=True)["x_line_cost"].transform("sum")
    remains = rest.abs() > 1e-6 if rest.dtype == FLOAT else is_not_zero(rest)
    found = pairs.assign(billed_cost=rest)[remains].drop_duplicates(pair)
    return bare(found).assign(
        billed_cost=found["billed_cost"],
        charge_category=constant("Adjustment", len(found)),
        pricing_category=constant("Standard", len(found)),
        commitment_discount_status=constant("", len(found)),
        commitment_discount_quantity=same(None, rest.dtype, found.index),
        x_derived=constant(costs.REMAINDER, len(found)),
    )


def bare(found: Any) -> Any:
    """Lines that cost and consume nothing, about the same as ``found``."""
    amount = found["billed_cost"].dtype
    amounts = [name for name in CHARGE_COLUMNS if is_amount(found[name])]
    empty = constant("", len(found))
    costs_nothing = ("billed_cost", "effective_cost", "contracted_cost")
    return found.assign(
        **dict.fromkeys(amounts, same(None, amount, found.index))
        | dict.fromkeys(costs_nothing, same(zero(amount), amount, found.index)),
        consumed_unit=empty,
        x_cost_text=empty,
        resource_id=found["commitment_discount_id"],
        charge_frequency=constant("Usage-Based", len(found)),
    )


def pairs_of(charges: Any) -> Any:
    """Covered usage and its negation."""
    return charges[charges["x_line_cost"].notna() & (charges["x_split_parent"] == "")]
