"""All tenants in one table: revenue, cost, margin with its bounds, goal and verdict. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from allocation.core.pnl import NON_PRODUCTION, Pnl, Verdict, add_pnls
from dashboards import numbers
from dashboards.shown import Shown, is_empty, mix, shown, verdict_cell
from dashboards.tables import Cell, Column, Kind, Mix, Row, Table, rounding_left
from finops.core.amounts import EXACT, ZERO, exact_sum
from finops.core.tunables import Effective

SORTABLE = (
    "tenant",
    "revenue",
    "cost",
    "profit",
    "margin",
    "low",
    "high",
    "goal",
    "gap",
    "verdict",
    "mix",
)
DEFAULT_SORT = "-revenue"
_UNBORNE = "no tenant bears it"
_SEVERAL = "each tenant has its own"


@dataclass(frozen=True)
class TenantLine:
    """One tenant of the list."""

    slug: str
    name: str
    href: str
    goal: Effective
    active: bool = True


@dataclass(frozen=True)
class Scope:
    """Whose list this is; ``gap`` says which bills are missing, empty where none is."""

    whole_company: bool
    currency: str
    company_goal: Decimal
    narrowed: str
    unallocated_url: str = ""
    gap: str = ""


def tenants_table(pnls: Mapping[str | None, Pnl], tenants: list[TenantLine], scope: Scope) -> Table:
    """One row per tenant; unallocated cost, rounding and the total stand beneath.

    An inactive tenant is listed only where it has figures.
    """
    listed = [line for line in tenants if line.active or not is_empty(pnls.get(line.slug, Pnl()))]
    rows = [_row(line, pnls.get(line.slug, Pnl()), scope) for line in listed]
    return Table(
        key="tenants",
        caption="Profit and loss by tenant",
        columns=_columns(scope),
        rows=rows,
        totals=_totals(pnls, listed, scope) if rows else (),
        empty="There is no tenant yet. A tenant appears with the first tag that names it, or is added in the admin.",
    )


def _columns(scope: Scope) -> list[Column]:
    unit = scope.currency
    return [
        Column("tenant", "Tenant"),
        Column("revenue", "Revenue", Kind.MONEY, unit),
        Column("cost", "Cost", Kind.MONEY, unit, title="Cost of revenue, before credits and tax"),
        Column("profit", "Gross profit", Kind.MONEY, unit),
        Column("margin", "Margin", Kind.PERCENT, title="Gross margin before credits"),
        Column("low", "Lowest", Kind.PERCENT, title="If every uncertain line were this tenant's"),
        Column("high", "Highest", Kind.PERCENT, title="If only the certain lines were"),
        Column("goal", "Goal", Kind.PERCENT),
        Column("gap", "To goal", Kind.POINTS, "points"),
        Column("verdict", "Verdict"),
        Column("mix", "Allocation", Kind.MIX, title="How sure the allocation of the cost is"),
    ]


def _row(line: TenantLine, pnl: Pnl, scope: Scope) -> Row:
    goal = line.goal.value
    absent = is_empty(pnl)
    figures = shown(pnl, scope.narrowed, scope.gap)
    reason = "nothing is loaded for these days" if absent else figures.reason
    note = "" if line.active else "inactive"
    if line.goal.origin == "tenant":
        own_goal = Cell(goal, places=_goal_places(goal), note="own")
    else:
        own_goal = Cell(goal, places=_goal_places(goal))
    shares = mix(pnl)
    return Row(
        (
            Cell(line.name, href=line.href, note=note),
            _amount(figures.revenue, reason),
            Cell(reason=reason) if absent else Cell(figures.cost, note=_estimated(figures)),
            Cell(reason=reason) if absent else _amount(figures.gross_profit, reason),
            *_margins(figures, goal, reason),
            own_goal,
            _gap(figures, goal, reason),
            verdict_cell(pnl, goal, scope.narrowed or scope.gap),
            Cell(shares) if shares else Cell(reason="there is no cost to share out"),
        ),
        key=line.slug,
    )


def _estimated(figures: Shown) -> str:
    """A quiet mark where part of the cost is no bill's yet."""
    return f"{numbers.money(figures.estimated)} est." if figures.estimated else ""


def _amount(value: Decimal | None, reason: str) -> Cell:
    return Cell(reason=reason) if value is None else Cell(value)


def _margins(figures: Shown, goal: Decimal, reason: str) -> list[Cell]:
    cells = []
    for share in (figures.margin, figures.margin_low, figures.margin_high):
        if share is None:
            cells.append(Cell(reason=reason))
        else:
            cells.append(Cell(share, places=numbers.places_beside(share, goal)))
    return cells


def _gap(figures: Shown, goal: Decimal, reason: str) -> Cell:
    if figures.margin is None:
        return Cell(reason=reason)
    places = numbers.places_beside(figures.margin, goal)
    return Cell(numbers.points_value(figures.margin, goal), places=places)


def _goal_places(goal: Decimal) -> int:
    return max(0, -int((goal * 100).normalize().as_tuple().exponent))


def _totals(pnls: Mapping[str | None, Pnl], listed: list[TenantLine], scope: Scope) -> list[Row]:
    """Unallocated, rounding and total: each line is rounded once, so the difference has a line."""
    loose = pnls.get(None, Pnl())
    members = [pnls.get(line.slug, Pnl()) for line in listed]
    others = [
        pnl
        for slug, pnl in pnls.items()
        if slug is not None and slug not in {x.slug for x in listed}
    ]
    members += others
    if scope.whole_company:
        members.append(loose)
    whole = add_pnls(members)
    total = shown(whole, scope.narrowed, scope.gap)
    revenue_left = (
        ZERO if scope.narrowed else rounding_left(whole.revenue, [p.revenue for p in members])
    )
    cost_left = rounding_left(whole.cost, [p.cost for p in members])
    rows = []
    if scope.whole_company:
        rows.append(_unallocated_row(loose, scope))
    if revenue_left or cost_left:
        profit_left = (
            Cell("")
            if scope.narrowed or scope.gap
            else Cell(EXACT.subtract(revenue_left, cost_left))
        )
        rows.append(
            Row(
                (Cell("Rounding"), _left(revenue_left), _left(cost_left), profit_left, *_blank(7)),
                "rounding",
                title="What rounding each line to cents leaves against the exact total",
            )
        )
    shares = mix(add_pnls(pnl for pnl in members if pnl is not loose))
    rows.append(
        Row(
            (
                Cell("Company" if scope.whole_company else "Your tenants"),
                _amount(total.revenue, total.reason),
                Cell(total.cost, note=_estimated(total)),
                _amount(total.gross_profit, total.reason),
                *_total_margin(total, scope),
                Cell(scope.company_goal, places=_goal_places(scope.company_goal)),
                _gap(total, scope.company_goal, total.reason),
                _side(total, scope),
                _company_mix(shares, bool(loose.cost)),
            ),
            "total",
        )
    )
    return rows


def _company_mix(shares: Mix | None, some_unborne: bool) -> Cell:
    if some_unborne:
        return Cell(reason="part of the cost is not allocated")
    return Cell(shares) if shares else Cell(reason="there is no cost to share out")


def _total_margin(total: Shown, scope: Scope) -> list[Cell]:
    margin = _margins(total, scope.company_goal, total.reason)[0]
    # Reassigning cost among the tenants does not move their sum, so the total has no bounds.
    reason = total.reason or (
        "the total is certain, whoever bears the cost"
        if scope.whole_company
        else "each tenant has its own bounds"
    )
    return [margin, *(Cell(reason=reason) for _ in range(2))]


def _side(total: Shown, scope: Scope) -> Cell:
    if total.margin is None:
        return Cell(reason=total.reason)
    certain = Pnl(revenue=Decimal(1), direct={"": EXACT.subtract(Decimal(1), total.margin)})
    return verdict_cell(certain, scope.company_goal)


def _unallocated_row(loose: Pnl, scope: Scope) -> Row:
    figures = shown(loose)
    cost = figures.cost
    missing = scope.narrowed or scope.gap
    profit = Cell(reason=missing) if missing else Cell(-cost)
    cells = (
        Cell("Unallocated", href=scope.unallocated_url),
        Cell(reason=_UNBORNE),
        Cell(cost, note=_estimated(figures)),
        profit,
    )
    return Row((*cells, *_blank(7)), "line")


def _left(value: Decimal) -> Cell:
    return Cell(value, tone="quiet") if value else Cell("")


def _blank(count: int) -> tuple[Cell, ...]:
    return tuple(Cell("") for _ in range(count))


def sentence(table_pnls: Mapping[str | None, Pnl], tenants: list[TenantLine], scope: Scope) -> str:
    """How many tenants are above, below, or cannot be told."""
    if not tenants:
        return "No tenant is known yet."
    if missing := scope.narrowed or scope.gap:
        return f"{numbers.counted(len(tenants), 'tenant')}; no margins, because {missing}."
    verdicts = [
        table_pnls.get(line.slug, Pnl()).verdict(line.goal.value) for line in tenants if line.active
    ]
    counts = [
        (verdicts.count(verdict), words) for verdict, words in _COUNTED if verdicts.count(verdict)
    ]
    parts = [f"{count} {words}" for count, words in counts]
    return f"{numbers.counted(len(verdicts), 'tenant')}: {', '.join(parts)}."


def bridge(pnls: Mapping[str | None, Pnl], scope: Scope) -> str:
    """From the cost of the table to what was charged; empty where the table is not the company's."""
    if not scope.whole_company or scope.narrowed or not pnls:
        return ""
    total = add_pnls(pnls.values())
    other, unit = total.below_line.get(NON_PRODUCTION, ZERO), scope.currency
    tax = EXACT.subtract(exact_sum(total.below_line.values()), other)
    charged = exact_sum([total.cost, other, tax, total.credits])
    aside = f" + non-production {numbers.money(other)}" if other else ""
    return (
        f"Cost {numbers.money(total.cost)}{aside} + tax {numbers.money(tax)} + credits "
        f"{numbers.money(total.credits)} = {numbers.money(charged)} {unit} charged for these days."
    )


_COUNTED = (
    (Verdict.BELOW, "below the goal"),
    (Verdict.CANNOT_TELL, "cannot be told yet"),
    (Verdict.ABOVE, "above the goal"),
    (Verdict.NO_REVENUE, "without revenue"),
)
