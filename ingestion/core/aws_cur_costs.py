"""What each CUR line type costs: billed, effective, contracted and list cost, and what was unused. Pure.

Sources: AWS CUR data dictionary; AWS's own amortised view (Cloud Intelligence Dashboards); FOCUS 1.2,
"BilledCost", "EffectiveCost", "CommitmentDiscountStatus". In short:

* billed cost is what the line adds to the bill, on the basis that was chosen for the whole delivery
  (``line cost``: net where the account has discounts in its net columns, unblended otherwise);
* usage that a Savings Plan covers and its negation cancel, so both bill nothing; should they not cancel,
  the remainder becomes a line of its own, and no sum changes;
* effective cost spreads commitments over what used them: fees cost nothing, covered usage its share of
  the commitment, and what nobody used is a derived line, *unused commitment*;
* a row of split cost allocation data is a share of another row: it costs nothing again.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from fractions import Fraction

from finops.core.amounts import EXACT, LAKE_QUANTUM, to_lake
from finops.core.dialect import literal
from finops.core.focus import ChargeCategory
from ingestion.core import aws_cur_columns as cur

NET, UNBLENDED = "net", "unblended"

UNUSED = "unused commitment"
REMAINDER = "savings plan remainder"
FEES_POOL = "commitment fees"

HOUR, NORMALIZED_HOUR = "Hour", "Normalized Hour"
"""What reservations are counted in; normalized where one covers several sizes."""

_DECIMAL = "DECIMAL(38,18)"
_ZERO = f"CAST(0 AS {_DECIMAL})"

LINE_TYPES: dict[str, ChargeCategory] = {
    "Usage": ChargeCategory.USAGE,
    cur.RESERVED: ChargeCategory.USAGE,
    cur.COVERED: ChargeCategory.USAGE,
    cur.NEGATION: ChargeCategory.USAGE,
    cur.PLAN_FEE: ChargeCategory.PURCHASE,
    cur.PLAN_UPFRONT: ChargeCategory.PURCHASE,
    cur.RESERVATION_FEE: ChargeCategory.PURCHASE,
    cur.FEE: ChargeCategory.PURCHASE,
    "Tax": ChargeCategory.TAX,
    "Credit": ChargeCategory.CREDIT,
    "Refund": ChargeCategory.ADJUSTMENT,
    "Discount": ChargeCategory.ADJUSTMENT,
    "EdpDiscount": ChargeCategory.ADJUSTMENT,
    "BundledDiscount": ChargeCategory.ADJUSTMENT,
    "PrivateRateDiscount": ChargeCategory.ADJUSTMENT,
}
"""AWS's line types; an open set. An unknown one is an Adjustment, counted and shown."""

DISCOUNTS: frozenset[str] = frozenset(
    {"Discount", "EdpDiscount", "BundledDiscount", "PrivateRateDiscount"}
)
"""Discounts as lines of their own; net columns of other lines hold the same discounts."""

CORRECTIONS: frozenset[str] = frozenset({"Refund"})
"""Line types whose FOCUS ChargeClass is Correction."""

UNKNOWN_LINE_TYPE = ChargeCategory.ADJUSTMENT
NO_LINE_TYPE = ChargeCategory.USAGE
"""A file without the column, or a row that leaves it empty, is usage."""


def cost_columns(have: Collection[str], number: dict[str, str], basis: str) -> dict[str, str]:
    """The cost columns of a charge line as expressions over typed numbers.

    ``have`` are the canonical columns of the file, ``number`` maps each to its typed alias. Expects
    the columns ``x_line_item_type``, ``plan``, ``reservation`` and ``x_split_parent``.
    """

    def of(*names: str, otherwise: str = _ZERO) -> str:
        found = [number[name] for name in names if name in number]
        return f"coalesce({', '.join([*found, otherwise])})"

    unblended = of(cur.COST)
    line = of(cur.NET_COST) if basis == NET else unblended
    nets = (cur.PLAN_NET_EFFECTIVE, cur.RESERVATION_NET_EFFECTIVE) if basis == NET else ()
    covered = of(*nets[:1], cur.PLAN_EFFECTIVE, otherwise=line)
    reserved = of(*nets[1:], cur.RESERVATION_EFFECTIVE, otherwise=line)
    up = (cur.UNUSED_NET_UPFRONT, cur.UNUSED_UPFRONT)[basis != NET :]
    recurring = (cur.UNUSED_NET_RECURRING, cur.UNUSED_RECURRING)[basis != NET :]
    pairs = is_paired(have)
    listed = number.get(cur.LIST_COST, f"CAST(NULL AS {_DECIMAL})")
    kind = "x_line_item_type"
    billed = f"CASE WHEN x_split_parent <> '' OR {pairs} THEN {_ZERO} ELSE {line} END"
    plain = f"WHEN x_split_parent <> '' THEN {_ZERO} WHEN {kind} IN ({_texts(cur.NEGATION)}) AND {pairs} THEN {_ZERO}"
    return {
        "billed_cost": billed,
        "effective_cost": (
            f"CASE {plain} WHEN {pairs} THEN {covered} WHEN {_is_amortised_fee(have)} THEN {_ZERO} "
            f"WHEN {kind} = {literal(cur.RESERVED)} THEN {reserved} ELSE {line} END"
        ),
        "contracted_cost": (
            f"CASE {plain} WHEN {kind} = {literal(cur.RESERVED)} THEN coalesce({listed}, {line}) "
            f"ELSE {line} END"
        ),
        "list_cost": f"CASE {plain} ELSE {listed} END",
        "x_line_cost": f"CASE WHEN x_split_parent <> '' OR {pairs} THEN {line} END",
        "x_unblended_cost": f"CASE WHEN {line} <> {unblended} THEN {unblended} END",
        "x_net_unblended_cost": number.get(cur.NET_COST, f"CAST(NULL AS {_DECIMAL})"),
        "x_unused_cost": (
            f"CASE WHEN {kind} = {literal(cur.PLAN_FEE)} AND {_knows_plans(have)} "
            f"THEN {of(cur.PLAN_COMMITMENT)} - {of(cur.PLAN_USED)} "
            f"WHEN {kind} = {literal(cur.RESERVATION_FEE)} AND {_knows_reservations(have)} "
            f"THEN {of(*up)} + {of(*recurring)} END"
        ),
        "x_unused_quantity": (
            f"CASE WHEN {kind} = {literal(cur.PLAN_FEE)} AND {_knows_plans(have)} "
            f"THEN {of(cur.PLAN_COMMITMENT)} - {of(cur.PLAN_USED)} "
            f"WHEN {kind} = {literal(cur.RESERVATION_FEE)} AND {_knows_reservations(have)} "
            f"THEN {_filled(number, cur.UNUSED_NORMALIZED, cur.UNUSED_QUANTITY)} END"
        ),
    }


def commitment_columns(have: Collection[str], number: dict[str, str]) -> dict[str, str]:
    """FOCUS's commitment columns, pricing category and charge frequency as expressions."""
    kind = "x_line_item_type"
    plans = _texts(cur.COVERED, cur.NEGATION, cur.PLAN_FEE, cur.PLAN_UPFRONT)
    reserved = _texts(cur.RESERVED, cur.RESERVATION_FEE)
    is_plan = f"{kind} IN ({plans})"
    is_reservation = (
        f"({kind} IN ({reserved}) OR ({kind} = {literal(cur.FEE)} AND reservation <> ''))"
    )
    used = _texts(cur.COVERED, cur.RESERVED)
    spent = f"CAST(coalesce({number.get(cur.PLAN_EFFECTIVE, 'NULL')}, NULL) AS {_DECIMAL})"
    paid = number.get(cur.COST, _ZERO)
    hours = _filled(number, cur.NORMALIZED_USAGE, cur.USAGE)
    normalized = _filled(number, cur.NORMALIZED_USAGE)
    return {
        "commitment_discount_id": (
            f"CASE WHEN {is_plan} THEN plan WHEN {is_reservation} THEN reservation ELSE '' END"
        ),
        "commitment_discount_category": (
            f"CASE WHEN {is_plan} THEN 'Spend' WHEN {is_reservation} THEN 'Usage' ELSE '' END"
        ),
        "commitment_discount_status": f"CASE WHEN {kind} IN ({used}) THEN 'Used' ELSE '' END",
        "commitment_discount_quantity": (
            f"CASE WHEN {kind} = {literal(cur.COVERED)} THEN {spent} "
            f"WHEN {kind} IN ({_texts(cur.PLAN_FEE, cur.PLAN_UPFRONT)}) THEN {paid} "
            f"WHEN {is_reservation} THEN {hours} END"
        ),
        "commitment_discount_unit": (
            f"CASE WHEN {is_plan} THEN billing_currency WHEN {is_reservation} AND {normalized} IS NOT NULL "
            f"THEN {literal(NORMALIZED_HOUR)} WHEN {is_reservation} THEN {literal(HOUR)} ELSE '' END"
        ),
        "pricing_category": (
            f"CASE WHEN {kind} IN ({used}) THEN 'Committed' "
            "WHEN contains(x_usage_type, 'SpotUsage') THEN 'Dynamic' ELSE 'Standard' END"
        ),
        "charge_frequency": (
            f"CASE WHEN {kind} IN ({_texts(cur.PLAN_FEE, cur.RESERVATION_FEE)}) THEN 'Recurring' "
            f"WHEN {kind} IN ({_texts(cur.PLAN_UPFRONT, cur.FEE)}) THEN 'One-Time' ELSE 'Usage-Based' END"
        ),
        "x_pool": (f"CASE WHEN {_is_amortised_fee(have)} THEN {literal(FEES_POOL)} ELSE '' END"),
        "x_derived": "''",
    }


def consumed_columns(number: dict[str, str]) -> dict[str, str]:
    """FOCUS ConsumedQuantity and ConsumedUnit: of usage only, and not of what other lines repeat."""
    used = [name for name, kind in LINE_TYPES.items() if kind == ChargeCategory.USAGE]
    uses = (
        f"x_line_item_type IN ({_texts('', *used)}) AND x_line_item_type <> {literal(cur.NEGATION)}"
    )
    consumes = f"{uses} AND x_split_parent = ''"
    quantity = number.get(cur.USAGE, f"CAST(NULL AS {_DECIMAL})")
    return {
        "consumed_quantity": f"CASE WHEN {consumes} THEN {quantity} END",
        "consumed_unit": f"CASE WHEN {consumes} THEN pricing_unit ELSE '' END",
    }


def is_paired(have: Collection[str]) -> str:
    """Whether a line is covered usage or its negation and names its plan, so that both cancel."""
    if not {cur.PLAN, cur.PLAN_EFFECTIVE} <= set(have):
        return "FALSE"
    return f"(x_line_item_type IN ({_texts(cur.COVERED, cur.NEGATION)}) AND plan <> '')"


def charge_category() -> str:
    """FOCUS ChargeCategory of ``x_line_item_type``."""
    whens = " ".join(
        f"WHEN {literal(name)} THEN {literal(category.value)}"
        for name, category in {"": NO_LINE_TYPE, **LINE_TYPES}.items()
    )
    return f"CASE x_line_item_type {whens} ELSE {literal(UNKNOWN_LINE_TYPE.value)} END"


def charge_class() -> str:
    """FOCUS ChargeClass of ``x_line_item_type``."""
    return f"CASE WHEN x_line_item_type IN ({_texts(*sorted(CORRECTIONS))}) THEN 'Correction' END"


def scaled_unused(unused: Decimal, line_cost: Decimal, unblended: Decimal) -> Decimal:
    """The unused part of a Savings Plan's fee on the delivery's cost basis, 18 decimals.

    AWS prints used and total commitment before discounts; what was discounted off the fee was
    discounted off its unused part too.
    """
    if not unblended or line_cost == unblended:
        return unused
    share = Fraction(unused) * Fraction(line_cost) / Fraction(unblended)
    units = round(share / Fraction(LAKE_QUANTUM))
    return to_lake(EXACT.multiply(Decimal(units), LAKE_QUANTUM))


def missing_for_amortisation(have: Collection[str], types: Collection[str]) -> list[str]:
    """Sentences for commitments in a bill whose columns cannot amortise them."""
    sentences = []
    if {cur.COVERED, cur.PLAN_FEE} & set(types) and _knows_plans(have) == "FALSE":
        sentences.append(
            "The export leaves out Savings Plan columns: effective cost of Savings Plans is their billed cost."
        )
    if {cur.RESERVED, cur.RESERVATION_FEE} & set(types) and _knows_reservations(have) == "FALSE":
        sentences.append(
            "The export leaves out reservation columns: effective cost of reservations is their billed cost."
        )
    return sentences


def _knows_plans(have: Collection[str]) -> str:
    needed = {cur.PLAN, cur.PLAN_EFFECTIVE, cur.PLAN_COMMITMENT, cur.PLAN_USED}
    return "TRUE" if needed <= set(have) else "FALSE"


def _knows_reservations(have: Collection[str]) -> str:
    return "TRUE" if cur.RESERVATION_EFFECTIVE in set(have) else "FALSE"


def _is_amortised_fee(have: Collection[str]) -> str:
    """Fees whose cost comes back as the effective cost of what they cover."""
    kinds = []
    if _knows_plans(have) == "TRUE":
        kinds += [cur.PLAN_FEE, cur.PLAN_UPFRONT]
    if _knows_reservations(have) == "TRUE":
        kinds.append(cur.RESERVATION_FEE)
    clauses = [f"x_line_item_type IN ({_texts(*kinds)})"] if kinds else []
    if _knows_reservations(have) == "TRUE":
        clauses.append(f"(x_line_item_type = {literal(cur.FEE)} AND reservation <> '')")
    return f"({' OR '.join(clauses)})" if clauses else "FALSE"


def _filled(number: dict[str, str], *names: str) -> str:
    """The first of these quantities that is there and not 0: AWS prints 0 where none applies."""
    found = [f"nullif({number[name]}, 0)" for name in names if name in number]
    return f"CAST(coalesce({', '.join([*found, 'NULL', 'NULL'])}) AS {_DECIMAL})"


def _texts(*names: str) -> str:
    return ", ".join(map(literal, names))
