"""The statements that turn CUR text into charge lines, built from the table of columns. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from finops.core.amounts import MAX_AMOUNT_TEXT
from finops.core.dialect import Dialect, identifier, literal
from ingestion.core import aws_cur_columns as cur
from ingestion.core.aws_cur_columns import Column, Kind

LINE_NUMBER = "x_source_line"
"""Column that the slow path adds to a cleaned file."""

PROVIDER = "Amazon Web Services"


def used_columns(header: Collection[str]) -> tuple[str, ...]:
    """The columns of ``header`` that feed anything, in the header's order."""
    wanted = {name for column in cur.COLUMNS for name in column.sources}
    wanted |= {
        cur.INTERVAL,
        cur.USAGE_START,
        cur.USAGE_END,
        cur.TAGS,
        cur.RESOURCE_TAGS,
        cur.PRODUCT,
    }
    wanted.add(LINE_NUMBER)
    return tuple(name for name in header if name in wanted)


def read_csv(path: str, header: Sequence[str], *, packed: bool) -> str:
    """The file as a relation of texts, strictly: a row of another width is an error, not a guess."""
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header)
    # A path is a pattern to the engine, and key=value folders in it would become columns.
    exact = re.sub(r"([*?\[])", r"[\1]", path)
    return (
        f"read_csv({literal(exact)}, auto_detect=false, header=true, columns={{{columns}}}, "
        "delim=',', quote='\"', escape='\"', strict_mode=true, null_padding=false, "
        f"ignore_errors=false, hive_partitioning=false, compression={literal('gzip' if packed else 'none')})"
    )


def parsed(header: Collection[str], relation: str, dialect: Dialect) -> str:
    """``SELECT`` of all rows as FOCUS columns, typed, with the texts that are still to be mapped.

    ``is_bad`` marks a row in which a text cannot be read as its type.
    """
    have = set(used_columns(header))
    numbers = {name: f"n_{index}" for index, name in enumerate(cur.DECIMAL_SOURCES) if name in have}
    typed = [identifier(name) for name in sorted(have)]
    typed += [f"{dialect.to_decimal(_filled(name))} AS {alias}" for name, alias in numbers.items()]
    typed += [f"{dialect.to_timestamp(text)} AS {alias}" for alias, text in _moments(have).items()]
    named = {column.focus: _focus(column, have, numbers) for column in cur.COLUMNS}
    bad = [f"({_filled(name)} IS NOT NULL AND {alias} IS NULL)" for name, alias in numbers.items()]
    bad += [
        f"abs({alias}) >= {cur.MAX_QUANTITY if name in cur.QUANTITY_SOURCES else cur.MAX_COST}"
        for name, alias in numbers.items()
    ]
    bad += [f"strlen({_filled(name)}) > {MAX_AMOUNT_TEXT}" for name in numbers]
    bad += [
        "start_at IS NULL",
        "end_at IS NULL",
        "end_at < start_at",
        f"start_at < DATE '{cur.FIRST_YEAR}-01-01'",
        f"end_at > DATE '{cur.LAST_YEAR}-01-01'",
        f"NOT regexp_full_match({named['billing_currency']}, '[A-Z]{{3}}')",
    ]
    extra = {
        "tags_text": _text(cur.TAGS, have),
        "resource_tags_text": _text(cur.RESOURCE_TAGS, have),
        "product_text": _text(cur.PRODUCT, have),
        "cost_text": _text(cur.COST, have),
        "line_text": _text(LINE_NUMBER, have),
    }
    columns = [f"{expression} AS {name}" for name, expression in {**named, **extra}.items()]
    moments = "start_at, end_at, usage_start_at, usage_end_at"
    return (
        f"SELECT {', '.join(columns)}, {moments}, "
        # An empty number makes a comparison unknown, not the row bad.
        f"coalesce({' OR '.join(bad)}, FALSE) AS is_bad "
        f"FROM (SELECT {', '.join(typed)} FROM {relation})"
    )


def charges(*, billing_period: str) -> str:
    """``SELECT`` of the sound rows of ``parsed``, joined with the mapped tags and services."""
    names = [column.focus for column in cur.COLUMNS if column.focus != "x_service_title"]
    return f"""
        SELECT DATE '{billing_period}' AS billing_period_start,
               start_at AS charge_period_start,
               end_at AS charge_period_end,
               {_granularity()} AS granularity,
               {_charge_category()} AS charge_category,
               {_charge_class()} AS charge_class,
               {literal(PROVIDER)} AS service_provider_name,
               service_name, service_category,
               {", ".join(names)},
               tags
        FROM parsed
        JOIN tag_map USING (tags_text, resource_tags_text)
        JOIN service_map USING (x_service_code, x_usage_type)
        WHERE NOT is_bad AND tags IS NOT NULL
    """


def _filled(name: str) -> str:
    """The column's text without spaces around it, NULL where nothing is left."""
    return f"nullif(trim({identifier(name)}), '')"


def _text(name: str, have: Collection[str]) -> str:
    return f"coalesce({identifier(name)}, '')" if name in have else "''"


def _focus(column: Column, have: Collection[str], numbers: dict[str, str]) -> str:
    if column.kind is Kind.DECIMAL:
        found = [
            # An empty number is its default; one that cannot be read stays NULL and is_bad.
            f"CASE WHEN {_filled(name)} IS NULL THEN {_decimal_default(column)} ELSE {numbers[name]} END"
            for name in column.sources
            if name in have
        ]
        return found[0] if found else _decimal_default(column)
    found = [_filled(name) for name in column.sources if name in have]
    value = f"coalesce({', '.join([*found, literal(column.default or '')])})"
    return f"upper({value})" if column.focus == "billing_currency" else value


def _decimal_default(column: Column) -> str:
    return f"CAST({column.default or 'NULL'} AS DECIMAL(38,18))"


def _moments(have: Collection[str]) -> dict[str, str]:
    """Texts of the four times: the interval where there is one, the usage dates otherwise."""
    usage_start = _filled(cur.USAGE_START) if cur.USAGE_START in have else "NULL"
    usage_end = _filled(cur.USAGE_END) if cur.USAGE_END in have else usage_start
    start, end = usage_start, f"coalesce({usage_end}, {usage_start})"
    if cur.INTERVAL in have:
        interval = _filled(cur.INTERVAL)
        start = f"CASE WHEN {interval} IS NULL THEN {start} ELSE split_part({interval}, '/', 1) END"
        end = f"CASE WHEN {interval} IS NULL THEN {end} ELSE split_part({interval}, '/', 2) END"
    return {
        "start_at": f"({start})",
        "end_at": f"({end})",
        "usage_start_at": f"({usage_start})",
        "usage_end_at": f"({usage_end})",
    }


def _granularity() -> str:
    """A line whose usage spans weeks is monthly whatever its interval says (tax, fees)."""
    return """CASE
                 WHEN coalesce(usage_end_at - usage_start_at, end_at - start_at) > INTERVAL 7 DAY THEN 'month'
                 WHEN end_at - start_at > INTERVAL 1 DAY THEN 'month'
                 WHEN end_at - start_at > INTERVAL 1 HOUR THEN 'day'
                 ELSE 'hour' END"""


def _charge_category() -> str:
    whens = " ".join(
        f"WHEN {literal(name)} THEN {literal(category.value)}"
        for name, category in {"": cur.NO_LINE_TYPE, **cur.LINE_TYPES}.items()
    )
    return f"CASE x_line_item_type {whens} ELSE {literal(cur.UNKNOWN_LINE_TYPE.value)} END"


def _charge_class() -> str:
    names: Sequence[str] = sorted(cur.CORRECTIONS)
    return f"CASE WHEN x_line_item_type IN ({', '.join(map(literal, names))}) THEN 'Correction' END"
