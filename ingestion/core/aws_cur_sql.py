"""The statements that turn a CUR's text into charge lines, built from the table of columns. Pure.

Every form of the CUR first becomes one relation of texts with canonical names (``parquet_texts``,
``table_texts``), which ``charges`` types.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from finops.core.amounts import MAX_AMOUNT_TEXT, NEXT_TO_NOTHING
from finops.core.dialect import Dialect, identifier, literal
from ingestion.core import aws_cur_columns as cur
from ingestion.core import aws_cur_costs as costs
from ingestion.core.aws_cur_rows import MONTHLY
from ingestion.core.aws_services import service_columns, service_relation

LINE_NUMBER = "x_source_line"
"""Column that the slow path adds to a cleaned file, and the row's number in a Parquet file."""

PLACE = "x_place"
"""The row's place in a staged file, from 0: what is typed is put beside what needs no typing."""

PROVIDER = "Amazon Web Services"

CHARGE_COLUMNS: tuple[str, ...] = (
    "billing_period_start",
    "charge_period_start",
    "charge_period_end",
    "granularity",
    "charge_category",
    "charge_class",
    "service_provider_name",
    *(column.focus for column in cur.COLUMNS),
    "consumed_unit",
    "service_name",
    "service_category",
    "billed_cost",
    "effective_cost",
    "contracted_cost",
    "list_cost",
    "x_line_cost",
    "x_unblended_cost",
    "x_net_unblended_cost",
    "x_unused_cost",
    "x_unused_quantity",
    "commitment_discount_id",
    "commitment_discount_category",
    "commitment_discount_status",
    "commitment_discount_quantity",
    "commitment_discount_unit",
    "pricing_category",
    "charge_frequency",
    "x_pool",
    "x_derived",
    "consumed_quantity",
    "x_cost_text",
    "x_split_parent",
    "x_tags",
    "x_resource_tags",
)
"""The columns of a charge line in the lake, in order."""

LINE_BY_LINE: tuple[str, ...] = (
    *("charge_period_start", "charge_period_end", "granularity"),
    *("billed_cost", "effective_cost", "contracted_cost", "list_cost"),
    *("x_line_cost", "x_unblended_cost", "x_net_unblended_cost"),
    *("x_unused_cost", "x_unused_quantity"),
    *("commitment_discount_quantity", "commitment_discount_unit"),
    *("consumed_quantity", "x_cost_text"),
)
"""Columns of a charge line that follow from amounts and times."""

TYPED: frozenset[str] = frozenset(
    {number.source for number in cur.NUMBERS} | {cur.INTERVAL, cur.USAGE_START, cur.USAGE_END}
)
"""Columns of the bill that hold amounts and times."""

READ_BY_LINE: frozenset[str] = TYPED | {
    cur.LINE_TYPE,
    cur.PLAN,
    cur.RESERVATION,
    cur.SPLIT_PARENT,
    cur.CURRENCY,
}
"""Columns of the bill that ``LINE_BY_LINE`` follows from."""

COMPUTED_WITH = frozenset({"pricing_unit", "x_line_item_type", "x_service_code", "x_usage_type"})
"""Columns of a charge line from which other texts of it follow."""

_MONTHLY = f"INTERVAL {MONTHLY.days} DAY"


def used_columns(header: Sequence[str]) -> tuple[str, ...]:
    """The columns of ``header`` that feed anything, in the header's order and spelling."""
    return tuple(name for name in header if cur.is_used(name))


def known_columns(header: Sequence[str]) -> frozenset[str]:
    """The canonical columns that a relation of texts over ``header`` has."""
    found = {
        cur.canonical_name(name) for name in used_columns(header) if not cur.is_tag_column(name)
    }
    found |= {cur.tag_key(name)[0] for name in header if cur.is_tag_column(name)}
    return frozenset(found)


def stored_names(names: Sequence[str]) -> dict[str, str]:
    """Columns by place: their own names may differ by case alone."""
    return {name: f"c{number}" for number, name in enumerate(names)}


def verbatim(path: str) -> str:
    """A path as a pattern that matches it alone: to the engine every path is a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", path)


def parquet_texts(
    path: str,
    schema: Sequence[tuple[str, str]],
    dialect: Dialect,
    *,
    number_rows: bool = False,
    constants: Mapping[str, str] | None = None,
    stored: Mapping[str, str] | None = None,
    place: bool = False,
) -> str:
    """A Parquet file as a relation of texts, as the CSV form prints them.

    ``schema`` is name and engine type of each column. A double becomes its shortest text, the one that
    reads back as the same double: a cast to a decimal would invent digits. ``constants`` are columns that
    the file leaves out because every row holds the same text, ``stored`` other names of columns in it: to
    the engine, names that differ by case alone are one. With ``place`` each row has its ``PLACE`` in it.
    """
    numbers = ", file_row_number=true" if number_rows or place else ""
    relation = f"read_parquet({literal(verbatim(path))}, hive_partitioning=false{numbers})"
    same, under = constants or {}, stored or {}
    texts = {
        name: literal(same[name])
        if name in same
        else column_text(under.get(name, name), kind, dialect)
        for name, kind in schema
    }
    if number_rows:
        # The header of the CSV form is line 1.
        texts[LINE_NUMBER] = "CAST(file_row_number + 2 AS VARCHAR)"
    return _canonical(texts, relation, dialect, f"file_row_number AS {PLACE}" if place else "")


def table_texts(
    table: str, stored: Mapping[str, str], absent: Sequence[str], dialect: Dialect
) -> str:
    """A table of texts that has ``PLACE`` too; ``stored`` says which of its columns each column is.

    ``absent`` columns are empty in it.
    """
    texts = {name: identifier(column) for name, column in stored.items()}
    texts |= dict.fromkeys(absent, "CAST(NULL AS VARCHAR)")
    return _canonical(texts, table, dialect, PLACE)


def column_text(name: str, kind: str, dialect: Dialect) -> str:
    """A column of a delivered Parquet file as the text that a CSV form prints, a double as its shortest one."""
    column, upper = identifier(name), kind.upper()
    if upper.startswith("VARCHAR"):
        return column
    if upper.startswith("TIMESTAMP") or upper == "DATE":
        return dialect.timestamp_text(f"CAST({column} AS TIMESTAMP)")
    if upper.startswith(("MAP", "STRUCT")):
        return f"CAST(to_json({column}) AS VARCHAR)"
    return f"CAST({column} AS VARCHAR)"


def _canonical(texts: dict[str, str], relation: str, dialect: Dialect, place: str) -> str:
    """Texts under canonical names; the tag columns of legacy forms folded into one JSON text."""
    folded: dict[str, list[tuple[str, str]]] = {}
    columns: dict[str, str] = {}
    for name, expression in texts.items():
        if cur.is_tag_column(name):
            into, key = cur.tag_key(name)
            folded.setdefault(into, []).append((key, expression))
        elif name == LINE_NUMBER or cur.is_used(name):
            columns[cur.canonical_name(name)] = expression
    for into, items in folded.items():
        columns.setdefault(into, dialect.json_object(items))
    listed = [f"{text} AS {identifier(name)}" for name, text in columns.items()]
    return f"(SELECT {', '.join([*listed, *filter(None, [place])])} FROM {relation})"


def charges(
    have: Collection[str],
    relation: str,
    dialect: Dialect,
    *,
    billing_period: str,
    basis: str,
    is_plain: bool = False,
    columns: Sequence[str] = CHARGE_COLUMNS,
    placed: bool = False,
) -> str:
    """``SELECT`` of the sound rows of a relation of texts as charge lines, typed.

    Rows that cannot be typed are left out: whoever asks holds the number of rows against the number of
    lines. So are rows with tags in the table ``bad_tags`` where the relation has line numbers. With
    ``is_plain`` the texts were judged before (``aws_cur_plain``) and all rows are given: whoever asks
    looks at their periods. Of the charge line ``columns`` are given, and each row's ``PLACE`` where they
    are ``placed``. ``basis`` is ``costs.NET`` or ``costs.UNBLENDED``.
    """
    number = _aliases(have, "n")
    made = {
        "billing_period_start": f"DATE {literal(billing_period)}",
        "granularity": (
            "CASE WHEN is_month OR charge_period_end - charge_period_start > INTERVAL 1 DAY THEN 'month' "
            "WHEN charge_period_end - charge_period_start > INTERVAL 1 HOUR THEN 'day' ELSE 'hour' END"
        ),
        "charge_category": costs.charge_category(),
        "charge_class": costs.charge_class(),
        "service_provider_name": literal(PROVIDER),
        **costs.consumed_columns(number),
        **service_columns("product_product_name" in have, cur.PRODUCT in have, dialect),
        **costs.cost_columns(have, number, basis),
        **costs.commitment_columns(have, number),
        "x_cost_text": _finer_than_the_lake(cur.NET_COST if basis == costs.NET else cur.COST, have),
    }
    listed = [f"{made.get(name, name)} AS {name}" for name in columns] + [PLACE] * placed
    return f"""
        SELECT {", ".join(listed)}
        FROM ({_typed(have, relation, number, dialect, placed=placed)}) AS typed
        LEFT JOIN {service_relation()} ON services.code = x_service_code
        {"" if is_plain else f"WHERE {_sound(have)}"}
    """


def unsound(have: Collection[str], relation: str, dialect: Dialect) -> str:
    """``SELECT`` of the rows, as texts, that ``charges`` leaves out of a relation with line numbers."""
    typed = _typed(have, relation, _aliases(have, "n"), dialect)
    return f"""
        SELECT * FROM {relation} WHERE {LINE_NUMBER} IN
            (SELECT {LINE_NUMBER} FROM ({typed}) AS typed WHERE NOT coalesce({_sound(have)}, FALSE))
        ORDER BY CAST({LINE_NUMBER} AS BIGINT)
    """


def _typed(
    have: Collection[str],
    relation: str,
    number: dict[str, str],
    dialect: Dialect,
    *,
    placed: bool = False,
) -> str:
    text = _aliases(have, "t")
    numbers = ", ".join(f"{dialect.to_decimal(text[name])} AS {number[name]}" for name in number)
    start, end = dialect.to_timestamp("start_text"), dialect.to_timestamp("end_text")
    first, last = dialect.to_timestamp("usage_start_text"), dialect.to_timestamp("usage_end_text")
    # Reading two more times is dear, and a line within one day cannot be monthly.
    spans = "substr(usage_start_text, 1, 10) <> substr(usage_end_text, 1, 10)"
    return f"""
        SELECT *, CASE WHEN is_month THEN usage_start_at ELSE start_at END AS charge_period_start,
               CASE WHEN is_month THEN usage_end_at ELSE end_at END AS charge_period_end
        FROM (
            SELECT *, coalesce(usage_end_at - usage_start_at > {_MONTHLY}, FALSE) AS is_month
            FROM (
                SELECT *, {numbers}, {start} AS start_at, {end} AS end_at,
                       CASE WHEN {spans} THEN {first} END AS usage_start_at,
                       CASE WHEN {spans} THEN {last} END AS usage_end_at
                FROM ({_texts(have, relation, text, placed=placed)})
            )
        )
    """


def _texts(have: Collection[str], relation: str, text: dict[str, str], *, placed: bool) -> str:
    listed = {column.focus: _focus(column, have) for column in cur.COLUMNS}
    kind = listed["x_line_item_type"]
    for number in cur.NUMBERS:
        if number.source in have:
            raw = identifier(number.source)
            if number.types:
                # An amount that the line's type has no use for cannot spoil the line.
                kinds = ", ".join(map(literal, number.types))
                raw = f"CASE WHEN {kind} IN ({kinds}) THEN {raw} END"
            listed[text[number.source]] = raw
    listed |= _moments(have)
    listed |= {
        "x_tags": _text(cur.TAGS, have),
        "x_resource_tags": _text(cur.RESOURCE_TAGS, have),
        "x_product": _text(cur.PRODUCT, have),
        "x_title": _first([name for name in cur.TITLES if name in have], "''"),
        "plan": _first([cur.PLAN] if cur.PLAN in have else [], "''"),
        "reservation": _first([cur.RESERVATION] if cur.RESERVATION in have else [], "''"),
        "x_split_parent": _first([cur.SPLIT_PARENT] if cur.SPLIT_PARENT in have else [], "''"),
    }
    if LINE_NUMBER in have:
        listed[LINE_NUMBER] = LINE_NUMBER
    if placed:
        listed[PLACE] = PLACE
    columns = ", ".join(f"{expression} AS {name}" for name, expression in listed.items())
    return f"SELECT {columns} FROM {relation}"


def _sound(have: Collection[str]) -> str:
    """What must hold of every row: numbers are numbers, times are times, in a sensible range."""
    number, text = _aliases(have, "n"), _aliases(have, "t")
    clauses = []
    for column in cur.NUMBERS:
        if column.source in have:
            n, t = number[column.source], text[column.source]
            limit = cur.MAX_COST if column.is_cost else cur.MAX_QUANTITY
            clauses.append(f"({n} IS NOT NULL OR {t} IS NULL OR trim({t}) = '')")
            clauses.append(
                f"({n} IS NULL OR (abs({n}) < {limit} AND strlen({t}) <= {MAX_AMOUNT_TEXT} "
                f"AND NOT (contains({t}, '-') AND regexp_matches({t}, '{NEXT_TO_NOTHING}'))))"
            )
    if LINE_NUMBER in have:
        clauses.append(
            "NOT EXISTS (SELECT 1 FROM bad_tags WHERE bad_tags.x_tags = typed.x_tags "
            "AND bad_tags.x_resource_tags = typed.x_resource_tags)"
        )
        texts = (
            "region_id",
            "sub_account_id",
            "resource_id",
            "x_service_code",
            "x_title",
            "x_product",
        )
        clauses += [f"strpos({name}, chr(0)) = 0" for name in (*texts, "pricing_unit")]
    clauses += [
        "charge_period_end >= charge_period_start",
        f"charge_period_start >= DATE '{cur.FIRST_YEAR}-01-01'",
        f"charge_period_end <= DATE '{cur.LAST_YEAR}-01-01'",
        "start_at IS NOT NULL",
        "end_at >= start_at",
        "regexp_full_match(billing_currency, '[A-Z]{3}')",
    ]
    return " AND ".join(clauses)


def _aliases(have: Collection[str], letter: str) -> dict[str, str]:
    return {
        number.source: f"{letter}_{index}"
        for index, number in enumerate(cur.NUMBERS)
        if number.source in have
    }


def _finer_than_the_lake(name: str, have: Collection[str]) -> str:
    """The cost's text where it may have more than 18 decimals, which the lake cannot hold."""
    if name not in have:
        return "''"
    text = _aliases(have, "t")[name]
    return (
        f"CASE WHEN strlen({text}) > 19 OR (contains(lower({text}), 'e-') "
        f"AND (strlen({text}) > 13 OR regexp_matches({text}, '[eE]-0*[1-9][0-9]'))) "
        f"THEN {text} ELSE '' END"
    )


def _first(names: Sequence[str], default: str) -> str:
    found = [f"nullif(trim({identifier(name)}), '')" for name in names]
    return f"coalesce({', '.join([*found, default])})"


def _text(name: str, have: Collection[str]) -> str:
    return f"coalesce({identifier(name)}, '')" if name in have else "''"


def _focus(column: cur.Column, have: Collection[str]) -> str:
    value = _first([name for name in column.sources if name in have], literal(column.default or ""))
    return f"upper({value})" if column.focus == "billing_currency" else value


def _moments(have: Collection[str]) -> dict[str, str]:
    """Texts of the four times: the interval where there is one, the usage dates otherwise."""
    usage_start = (
        f"nullif(trim({identifier(cur.USAGE_START)}), '')" if cur.USAGE_START in have else "NULL"
    )
    usage_end = (
        f"nullif(trim({identifier(cur.USAGE_END)}), '')" if cur.USAGE_END in have else usage_start
    )
    start, end = usage_start, f"coalesce({usage_end}, {usage_start})"
    if cur.INTERVAL in have:
        interval = f"nullif(trim({identifier(cur.INTERVAL)}), '')"
        start = f"CASE WHEN {interval} IS NULL THEN {start} ELSE split_part({interval}, '/', 1) END"
        end = f"CASE WHEN {interval} IS NULL THEN {end} ELSE split_part({interval}, '/', 2) END"
    return {
        "start_text": f"CAST({start} AS VARCHAR)",
        "end_text": f"CAST({end} AS VARCHAR)",
        "usage_start_text": f"CAST({usage_start} AS VARCHAR)",
        "usage_end_text": f"CAST({usage_end} AS VARCHAR)",
    }
