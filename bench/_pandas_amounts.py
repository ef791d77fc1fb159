"""Amounts of the pandas yardstick, in Arrow's decimals as in floats: what a column is made of says which.

Decimals have the lake's 38 digits, 18 of them decimals: pandas keeps them in Arrow's arrays and adds and groups them
there, exactly. Where Arrow would need a 39th digit, the operands are taken as having 37.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

DECIMAL = pd.ArrowDtype(pa.decimal128(38, 18))
_SUMMAND = pd.ArrowDtype(pa.decimal128(37, 18))
FLOAT = np.dtype("float64")


def is_amount(column: Any) -> bool:
    """Whether the column holds amounts."""
    return column.dtype in (DECIMAL, FLOAT)


def is_exact(column: Any) -> bool:
    """Whether its amounts are decimals."""
    return bool(column.dtype == DECIMAL)


def typed(frame: Any, names: Sequence[str]) -> Any:
    """The frame with decimals for the texts of these columns."""
    return frame.assign(**{name: frame[name].astype(DECIMAL) for name in names if name in frame})


def zero(kind: Any) -> Any:
    """No amount."""
    return Decimal(0) if kind == DECIMAL else 0.0


def same(value: Any, kind: Any, index: Any) -> Any:
    """A column that has this amount, or none where it is ``None``, in every line."""
    return pd.Series(np.nan if value is None and kind == FLOAT else value, index, dtype=kind)


def or_zero(column: Any) -> Any:
    """The amounts, 0 for none."""
    return column.fillna(zero(column.dtype))


def is_not_zero(column: Any) -> Any:
    """Whether there is an amount other than 0."""
    return (or_zero(column) != zero(column.dtype)).to_numpy(dtype=bool)


def minus(one: Any, other: Any) -> Any:
    """Their difference."""
    if not is_exact(one):
        return one - other
    return (one.astype(_SUMMAND) - other.astype(_SUMMAND)).astype(DECIMAL)


def plus(one: Any, other: Any) -> Any:
    """Their sum."""
    if not is_exact(one):
        return one + other
    return (one.astype(_SUMMAND) + other.astype(_SUMMAND)).astype(DECIMAL)


def choose(conditions: Sequence[Any], amounts: Sequence[Any], otherwise: Any, kind: Any) -> Any:
    """The amount of the first condition that holds; ``None`` is none, and a plain number the same in every line."""
    if kind == FLOAT:
        lists = [np.nan if amount is None else amount for amount in (*amounts, otherwise)]
        return np.select(list(conditions), lists[:-1], lists[-1])
    # Arrow has no case for "where" in pandas that would not copy by element.
    told = pc.make_struct(*(pa.array(np.asarray(one, bool)) for one in conditions))
    plain = kind.pyarrow_dtype
    lists = [
        pa.scalar(amount, plain)
        if amount is None or isinstance(amount, Decimal)
        else pa.array(amount)
        for amount in (*amounts, otherwise)
    ]
    return pd.arrays.ArrowExtensionArray(pc.case_when(told, *lists))


def units(column: Any, places: int) -> Any:
    """Amounts that have so many decimals at most as whole numbers; 0 for none."""
    if not is_exact(column):
        return np.rint(column.fillna(0.0).to_numpy() * 10**places).astype("int64")
    moved = pa.array(or_zero(column)).cast(pa.decimal128(38 - 18 + places, places))
    whole = pc.multiply(
        moved.cast(pa.decimal128(20 + places, places)), pa.scalar(Decimal(10**places))
    )
    return np.asarray(whole.cast(pa.int64()))


def of_units(whole: Any, places: int, kind: Any, index: Any) -> Any:
    """Amounts from whole numbers."""
    if kind == FLOAT:
        return pd.Series(whole / 10**places, index)
    made = pc.multiply(
        pa.array(whole).cast(pa.decimal128(19, 0)), pa.scalar(Decimal(1).scaleb(-places))
    )
    return pd.Series(pd.arrays.ArrowExtensionArray(made.cast(kind.pyarrow_dtype)), index)
