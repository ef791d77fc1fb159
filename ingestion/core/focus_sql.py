"""The statements that turn FOCUS rows into charge lines, built from the table of columns. Pure.

Every form of FOCUS first becomes one relation of texts under FOCUS names (``staged_texts``, ``parquet_texts``),
which ``charges`` types. Text becomes a decimal here and nowhere else, and never through a float.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from finops.core.amounts import MAX_AMOUNT_TEXT, NEXT_TO_NOTHING
from finops.core.dialect import Dialect, identifier, literal
from finops.core.focus import ChargeCategory, ServiceCategory
from ingestion.core import aws_cur_columns as cur
from ingestion.core import focus_columns as focus
from ingestion.core.aws_cur_costs import FEES_POOL, UNUSED
from ingestion.core.aws_cur_sql import CHARGE_COLUMNS, LINE_NUMBER, column_text, verbatim
from ingestion.core.focus_rows import NULL

_DECIMAL = "DECIMAL(38,18)"
_UTC = r"(\+00:?00| UTC)$"
_GUARDED = r"^''[=+@\t\r-]"
"""An apostrophe before what a spreadsheet would run: our CSV exports put it there."""


def staged_texts(path: str, columns: Sequence[tuple[str, str]], *, numbered: bool) -> str:
    """A staged file of texts: ``columns`` are stored and FOCUS names; ``numbered``: it holds line numbers."""
    # The header is line 1.
    line = LINE_NUMBER if numbered else "CAST(file_row_number + 2 AS VARCHAR)"
    listed = [f"{stored} AS {identifier(name)}" for stored, name in columns]
    return (
        f"(SELECT {', '.join([*listed, f'{line} AS {LINE_NUMBER}'])} FROM "
        f"read_parquet({literal(verbatim(path))}, hive_partitioning=false, file_row_number=true))"
    )


def parquet_texts(path: str, schema: Sequence[tuple[str, str]], dialect: Dialect) -> str:
    """A delivered Parquet file as texts, as the CSV form prints them; ``schema`` is name and engine type."""
    listed = [
        f"{column_text(name, kind, dialect)} AS {identifier(known)}"
        for name, kind in schema
        if (known := focus.used_name(name))
    ]
    line = f"CAST(file_row_number + 2 AS VARCHAR) AS {LINE_NUMBER}"
    return (
        f"(SELECT {', '.join([*listed, line])} FROM "
        f"read_parquet({literal(verbatim(path))}, hive_partitioning=false, file_row_number=true))"
    )


def charges(
    have: Collection[str], relation: str, dialect: Dialect, *, billing_period: str, period: str
) -> str:
    """``SELECT`` of the sound rows of ``period`` as charge lines, typed.

    ``period`` is a condition of ``in_period``, ``billing_period`` the first day of the load's month. Rows with
    tags in the table ``bad_tags`` are left out too: whoever asks holds ``unsound`` against it.
    """
    made = {
        **{column.lake: column.lake for column in focus.COLUMNS},
        "billing_period_start": f"DATE {literal(billing_period)}",
        "charge_period_start": "start_at",
        "charge_period_end": "end_at",
        "granularity": (
            "CASE WHEN end_at - start_at > INTERVAL 1 DAY THEN 'month' "
            "WHEN end_at - start_at > INTERVAL 1 HOUR THEN 'day' ELSE 'hour' END"
        ),
        "charge_category": "charge_category",
        "charge_class": "CASE WHEN lower(class_text) = 'correction' THEN 'Correction' ELSE '' END",
        "billing_currency": "billing_currency",
        "service_provider_name": _case("service_provider_name", focus.PROVIDERS),
        "service_category": (
            f"CASE WHEN category_text IN ({_texts(*ServiceCategory)}) THEN category_text "
            f"ELSE {literal(ServiceCategory.OTHER)} END"
        ),
        "billed_cost": "n_billed_cost",
        "effective_cost": "coalesce(n_effective_cost, n_billed_cost)",
        "contracted_cost": "coalesce(n_contracted_cost, n_billed_cost)",
        "list_cost": "n_list_cost",
        "consumed_quantity": "n_consumed_quantity",
        "commitment_discount_quantity": "n_commitment_discount_quantity",
        "x_line_item_type": _line_type(),
        "x_pool": _pool(),
        # What may have more decimals than the lake: its rest is a named residual.
        "x_cost_text": (
            "CASE WHEN strlen(t_billed_cost) > 19 OR contains(lower(t_billed_cost), 'e-') "
            "THEN t_billed_cost ELSE '' END"
        ),
        "x_tags": "tags_text",
        "x_resource_tags": "own_tags",
        **dict.fromkeys(("x_derived", "x_split_parent"), "''"),
    }
    amounts = ("x_line_cost", "x_unblended_cost", "x_net_unblended_cost")
    made |= dict.fromkeys(
        (*amounts, "x_unused_cost", "x_unused_quantity"), f"CAST(NULL AS {_DECIMAL})"
    )
    listed = ", ".join(f"{made[name]} AS {name}" for name in CHARGE_COLUMNS)
    return f"""
        SELECT {listed} FROM ({_typed(have, relation, dialect)}) AS typed
        WHERE {period} AND {_sound()}
    """


def unsound(have: Collection[str], relation: str, dialect: Dialect, *, period: str) -> str:
    """``SELECT`` of the rows of ``period``, as texts, that ``charges`` leaves out."""
    return f"""
        SELECT * FROM {relation} WHERE {LINE_NUMBER} IN
            (SELECT {LINE_NUMBER} FROM ({_typed(have, relation, dialect)}) AS typed
             WHERE {period} AND NOT coalesce({_sound()}, FALSE))
        ORDER BY CAST({LINE_NUMBER} AS BIGINT)
    """


def months(relation: str, dialect: Dialect) -> str:
    """The distinct billing months of a relation of texts; NULL stands for rows that name none."""
    moment = _moment(focus.PERIOD, frozenset({focus.PERIOD}))
    return f"""
        SELECT DISTINCT {_month("text", dialect)} AS month
        FROM (SELECT DISTINCT {moment} AS text FROM {relation}) ORDER BY 1
    """


def in_period(billing_period: str, *, is_first: bool) -> str:
    """The rows of one billing month; those that name none belong to the first one of their file."""
    same = f"month = DATE {literal(billing_period)}"
    return f"({same} OR month IS NULL)" if is_first else f"coalesce({same}, FALSE)"


EVERY_PERIOD = "TRUE"
"""All rows: a manifest says which month its files are of."""


def _typed(have: Collection[str], relation: str, dialect: Dialect) -> str:
    numbers = ", ".join(
        f"{dialect.to_decimal(f't_{number.lake}')} AS n_{number.lake}" for number in focus.NUMBERS
    )
    times = ", ".join(
        f"{dialect.to_timestamp(text)} AS {moment}"
        for text, moment in (("start_text", "start_at"), ("end_text", "end_at"))
    )
    return f"""
        SELECT *, {numbers}, {times}, {_month("period_text", dialect)} AS month
        FROM (SELECT {_listed(have)} FROM {relation})
    """


def _month(text: str, dialect: Dialect) -> str:
    moment = dialect.to_timestamp(text)
    span = f"year({moment}) BETWEEN {focus.FIRST_YEAR} AND {focus.LAST_YEAR - 1}"
    return f"CASE WHEN {span} THEN CAST(date_trunc('month', {moment}) AS DATE) END"


def _listed(have: Collection[str]) -> str:
    listed = {
        column.lake: _first([_text(name, have) for name in column.sources if name in have])
        for column in focus.COLUMNS
    }
    listed |= {f"t_{number.lake}": _amount(number.source, have) for number in focus.NUMBERS}
    listed |= {
        "start_text": _moment(focus.START, have),
        "end_text": _moment(focus.END, have),
        "period_text": _moment(focus.PERIOD, have),
        "billing_currency": f"upper({_first([_text(focus.CURRENCY, have)])})",
        "charge_category": _first([_text(focus.CATEGORY, have)]),
        "class_text": _first([_text(focus.CLASS, have)]),
        "category_text": _first(
            [_own(focus.OWN_CATEGORY, have), _text(focus.SERVICE_CATEGORY, have)]
        ),
        "tags_text": _first([_bare(focus.TAGS, have)]),
        "own_tags": _own_tags(have),
        "own_pool": _first([_own(focus.OWN_POOL, have)]),
        "own_line_type": _first([_own(focus.OWN_LINE_TYPE, have)]),
        LINE_NUMBER: LINE_NUMBER,
    }
    return ", ".join(f"{expression} AS {name}" for name, expression in listed.items())


def _bare(name: str, have: Collection[str]) -> str:
    """The column's text, NULL where it is empty or says so."""
    if name not in have:
        return "CAST(NULL AS VARCHAR)"
    column = f"trim({identifier(name)})"
    return f"CASE WHEN lower({column}) NOT IN ('', {literal(NULL)}) THEN {column} END"


def _text(name: str, have: Collection[str]) -> str:
    """As ``_bare``, without the apostrophe that our own exports put before what looks like a formula."""
    bare = _bare(name, have)
    if focus.OWN_MARK not in have or name not in have:
        return bare
    return f"CASE WHEN regexp_matches({bare}, '{_GUARDED}') THEN substr({bare}, 2) ELSE {bare} END"


def _own(name: str, have: Collection[str]) -> str:
    """A column of our own exports; in another file the same name means nothing that is known here."""
    return _text(name, have if focus.OWN_MARK in have else ())


def _own_tags(have: Collection[str]) -> str:
    found = {key: name for key, name in focus.OWN_TAGS.items() if name in have}
    if focus.OWN_MARK not in have or not found:
        return "''"
    pairs = ", ".join(f"{literal(key)}, {_text(name, have)}" for key, name in found.items())
    some = " OR ".join(f"{_text(name, have)} IS NOT NULL" for name in found.values())
    return f"CASE WHEN {some} THEN CAST(json_object({pairs}) AS VARCHAR) ELSE '' END"


def _amount(name: str, have: Collection[str]) -> str:
    return f"CAST({_bare(name, have)} AS VARCHAR)"


def _moment(name: str, have: Collection[str]) -> str:
    return f"regexp_replace({_bare(name, have)}, '{_UTC}', 'Z')"


def _first(expressions: Sequence[str]) -> str:
    return f"coalesce({', '.join([*expressions, literal('')])})"


def _case(expression: str, names: dict[str, str]) -> str:
    whens = " ".join(f"WHEN {literal(name)} THEN {literal(to)}" for name, to in names.items())
    return f"CASE {expression} {whens} ELSE {expression} END"


def _line_type() -> str:
    """AWS's word for the line, by which the bridge from billed to effective cost knows its steps."""
    spend = "commitment_discount_category = 'Spend'"
    recurring = "charge_frequency = 'Recurring'"
    return f"""CASE WHEN own_line_type <> '' THEN own_line_type
        WHEN charge_category = 'Usage' AND commitment_discount_status = 'Used'
            THEN CASE WHEN {spend} THEN {literal(cur.COVERED)} ELSE {literal(cur.RESERVED)} END
        WHEN charge_category = 'Purchase' AND commitment_discount_id <> ''
            THEN CASE WHEN {spend} AND {recurring} THEN {literal(cur.PLAN_FEE)}
                      WHEN {spend} THEN {literal(cur.PLAN_UPFRONT)}
                      WHEN {recurring} THEN {literal(cur.RESERVATION_FEE)} ELSE {literal(cur.FEE)} END
        WHEN charge_category = 'Purchase' THEN {literal(cur.FEE)}
        WHEN charge_category = 'Adjustment'
            THEN CASE WHEN lower(class_text) = 'correction' THEN 'Refund' ELSE 'Discount' END
        ELSE charge_category END"""


def _pool() -> str:
    return f"""CASE WHEN own_pool <> '' THEN own_pool
        WHEN commitment_discount_status = 'Unused' THEN {literal(UNUSED)}
        WHEN charge_category = 'Purchase' AND commitment_discount_id <> '' THEN {literal(FEES_POOL)}
        ELSE '' END"""


def _sound() -> str:
    """What must hold of every row: amounts are amounts, times are times, in a sensible range."""
    clauses = ["t_billed_cost IS NOT NULL"]
    for number in focus.NUMBERS:
        n, t = f"n_{number.lake}", f"t_{number.lake}"
        limit = focus.MAX_COST if number.is_cost else focus.MAX_QUANTITY
        clauses.append(
            f"({t} IS NULL OR ({n} IS NOT NULL AND abs({n}) < {limit} AND strlen({t}) <= {MAX_AMOUNT_TEXT} "
            f"AND NOT regexp_matches({t}, '{NEXT_TO_NOTHING}')))"
        )
    texts = ("service_name", "region_id", "sub_account_id", "resource_id", "consumed_unit")
    clauses += [f"strpos({name}, chr(0)) = 0" for name in (*texts, "service_provider_name")]
    clauses += [
        f"charge_category IN ({_texts(*ChargeCategory)})",
        "regexp_full_match(billing_currency, '[A-Z]{3}')",
        "month IS NOT NULL",
        "end_at > start_at",
        f"start_at >= DATE '{focus.FIRST_YEAR}-01-01'",
        f"end_at <= DATE '{focus.LAST_YEAR}-01-01'",
        "NOT EXISTS (SELECT 1 FROM bad_tags WHERE bad_tags.x_tags = typed.tags_text)",
    ]
    return " AND ".join(clauses)


def _texts(*names: str) -> str:
    return ", ".join(literal(str(name)) for name in names)
