"""The overview: one sentence, four figures against the period before, two queues. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from allocation.core.pnl import Pnl, Verdict, add_pnls
from dashboards import numbers
from dashboards.shown import missing_profit, shown
from dashboards.tables import Cell, Column, Kind, Row, Table, Tone
from finops.core.amounts import ZERO, to_cents

Pnls = Mapping[str | None, Pnl]


@dataclass(frozen=True)
class Tile:
    """One figure with its change; ``reason`` stands where there is no value."""

    label: str
    value: str
    unit: str = ""
    reason: str = ""
    change: str = ""
    arrow: str = ""
    note: str = ""
    tone: Tone = ""
    href: str = ""


@dataclass(frozen=True)
class Scope:
    """Whose figures these are, and over what."""

    whole_company: bool
    currency: str
    goal: Decimal
    narrowed: str
    previous_span: str
    tenants_url: str
    gap: str = ""
    """Which cost of the period is missing; empty where it is whole."""
    previous_gap: str = ""
    """Why the period before is not whole; empty where it is."""

    @property
    def not_compared(self) -> str:
        """What stands in the place of a comparison that would mislead."""
        return f"not compared: {self.previous_gap}" if self.previous_gap else ""


@dataclass(frozen=True)
class BelowGoal:
    """A tenant whose margin is certainly below its goal."""

    slug: str
    name: str
    margin: str
    goal: str
    gap: str
    missing: Decimal
    href: str


@dataclass(frozen=True)
class Unborne:
    """Cost of one service category that nobody bears yet."""

    name: str
    amount: Decimal
    share: str
    href: str


def total_of(pnls: Pnls) -> Pnl:
    """Everything in the slice; unallocated cost is cost of the company."""
    return add_pnls(pnls.values())


def unallocated_of(pnls: Pnls) -> Pnl:
    """What no tenant bears."""
    return pnls.get(None, Pnl())


def headline(pnls: Pnls, scope: Scope, below: Sequence[BelowGoal]) -> str:
    """The sentence that answers "is anything wrong with our money?"."""
    figures = shown(total_of(pnls), scope.narrowed)
    if scope.narrowed:
        return (
            f"Cost is {numbers.money(figures.cost)} {scope.currency} in this selection; "
            f"there is no margin, because {scope.narrowed}."
        )
    if scope.gap:
        return f"The gross margin cannot be told: {scope.gap}."
    if figures.margin is None:
        return f"There is no gross margin to show: {figures.reason}."
    places = numbers.places_beside(figures.margin, scope.goal)
    subject = "Gross margin" if scope.whole_company else "Gross margin of your tenants"
    text = f"{subject} is {numbers.percent(figures.margin, places)}, {goal_distance(figures.margin, scope.goal)}"
    names = [entry.name for entry in below]
    if not names:
        return f"{text}; no tenant is certainly below its goal."
    verb = "is below its goal" if len(names) == 1 else "are below their goal"
    return f"{text}; {numbers.listed(names)} {verb}."


def goal_distance(margin: Decimal, goal: Decimal) -> str:
    """``1.8 points above the goal of 70 %``."""
    text = numbers.goal_text(goal)
    if margin == goal:
        return f"exactly the goal of {text}"
    side = "above" if margin > goal else "below"
    return f"{numbers.points(margin, goal, plus=False)} {side} the goal of {text}"


def tiles(now: Pnls, before: Pnls, scope: Scope) -> list[Tile]:
    """Revenue, cost, gross margin and, for the company, the unallocated share."""
    current, previous = (
        shown(total_of(now), scope.narrowed),
        shown(total_of(before), scope.narrowed),
    )
    found = [
        _money_tile("Revenue", current.revenue, previous.revenue, current.reason, scope),
        _money_tile("Cost", current.cost, previous.cost, "", scope),
        _margin_tile(current.margin, previous.margin, current.reason, scope),
    ]
    if scope.whole_company:
        found.append(_unallocated_tile(now, before, scope))
    return found


def _money_tile(
    label: str, now: Decimal | None, before: Decimal | None, reason: str, scope: Scope
) -> Tile:
    if now is None:
        return Tile(label, numbers.DASH, reason=reason, href=scope.tenants_url)
    tile = Tile(label, numbers.money(now), scope.currency, href=scope.tenants_url)
    if scope.not_compared or before is None or not before:
        return _with(
            tile, note=scope.not_compared or f"nothing to compare with in {scope.previous_span}"
        )
    change = numbers.Change(now, before)
    share = "" if change.share is None else f"{numbers.percent(abs(change.share))}, "
    text = (
        f"{change.word} {share}{numbers.money(change.amount, plus=True)}"
        if change.amount
        else "unchanged"
    )
    return _with(tile, change=text, arrow=change.arrow, note=f"against {scope.previous_span}")


def _margin_tile(now: Decimal | None, before: Decimal | None, reason: str, scope: Scope) -> Tile:
    label = "Gross margin"
    if now is None:
        return Tile(label, numbers.DASH, reason=reason, href=scope.tenants_url)
    value = numbers.percent(now, numbers.places_beside(now, scope.goal))
    tone: Tone = "danger" if now < scope.goal else ""
    tile = Tile(
        label, value, tone=tone, href=scope.tenants_url, reason=goal_distance(now, scope.goal)
    )
    if scope.not_compared or before is None:
        return _with(tile, note=scope.not_compared or f"no margin in {scope.previous_span}")
    return _with(tile, **_points(now, before), note=f"against {scope.previous_span}")


def _unallocated_tile(now: Pnls, before: Pnls, scope: Scope) -> Tile:
    label = "Unallocated share of cost"
    total, loose = total_of(now).cost, unallocated_of(now).cost
    share = numbers.share_of(loose, total)
    if share is None:
        return Tile(
            label, numbers.DASH, reason="there is no cost in these days", href="#unallocated"
        )
    amount = f"{numbers.money(loose)} {scope.currency} that no tenant bears yet"
    tile = Tile(label, numbers.percent(share), reason=amount, href="#unallocated")
    earlier = numbers.share_of(unallocated_of(before).cost, total_of(before).cost)
    if scope.not_compared or earlier is None:
        return _with(tile, note=scope.not_compared or f"no cost in {scope.previous_span}")
    return _with(tile, **_points(share, earlier), note=f"against {scope.previous_span}")


def _points(now: Decimal, before: Decimal) -> dict[str, str]:
    moved = numbers.percent_value(now) - numbers.percent_value(before)
    return {
        "change": f"{numbers.direction(moved)} {abs(moved):f} points" if moved else "unchanged",
        "arrow": numbers.arrow(moved),
    }


def _with(tile: Tile, **changes: str) -> Tile:
    return Tile(**{**tile.__dict__, **changes})


def figures_table(now: Pnls, before: Pnls, scope: Scope) -> Table:
    """The tiles' figures as a table: what the export holds."""
    current, previous = (
        shown(total_of(now), scope.narrowed),
        shown(total_of(before), scope.narrowed),
    )
    columns = (
        Column("figure", "Figure"),
        Column("now", "This period", Kind.MONEY, scope.currency),
        Column("previous", "Period before", Kind.MONEY, scope.currency),
    )
    rows = [
        Row((Cell("Revenue"), *(_cell(s.revenue, s.reason) for s in (current, previous)))),
        Row((Cell("Cost of revenue"), Cell(current.cost), Cell(previous.cost))),
        Row(
            (Cell("Gross profit"), *(_cell(s.gross_profit, s.reason) for s in (current, previous))),
            "total",
        ),
        Row(
            (
                Cell("Gross margin %"),
                *(_margin(s.margin, s.reason, scope.goal) for s in (current, previous)),
            )
        ),
    ]
    if current.estimated or previous.estimated:
        label = Cell("of which estimated, beyond the bills", note="est.")
        rows.append(Row((label, Cell(current.estimated), Cell(previous.estimated)), "part"))
    if scope.whole_company:
        loose = [Cell(to_cents(unallocated_of(pnls).cost)) for pnls in (now, before)]
        rows.append(Row((Cell("of which unallocated cost"), *loose), "part"))
    return Table("overview", "Figures of the period", columns, rows)


def _cell(value: Decimal | None, reason: str) -> Cell:
    return Cell(reason=reason) if value is None else Cell(value)


def _margin(value: Decimal | None, reason: str, goal: Decimal) -> Cell:
    if value is None:
        return Cell(kind=Kind.PERCENT, reason=reason)
    return Cell(value, kind=Kind.PERCENT, places=numbers.places_beside(value, goal))


def below_goal(
    pnls: Pnls, names: Mapping[str, str], goals: Mapping[str, Decimal], hrefs: Mapping[str, str]
) -> list[BelowGoal]:
    """Tenants certainly below their goal, the most missing profit first."""
    found: list[BelowGoal] = []
    for slug, pnl in pnls.items():
        if slug is None or slug not in names:
            continue
        goal = goals[slug]
        margin = pnl.gross_margin
        if margin is None or pnl.verdict(goal) is not Verdict.BELOW:
            continue
        entry = BelowGoal(
            slug=slug,
            name=names[slug],
            margin=numbers.percent(margin, numbers.places_beside(margin, goal)),
            goal=numbers.goal_text(goal),
            gap=numbers.points(margin, goal),
            missing=to_cents(missing_profit(pnl, goal)),
            href=hrefs[slug],
        )
        found.append(entry)
    return sorted(found, key=lambda entry: (-entry.missing, entry.slug))


def undecided(pnls: Pnls, names: Mapping[str, str], goals: Mapping[str, Decimal]) -> int:
    """How many tenants have bounds on both sides of their goal."""
    return sum(
        slug is not None and slug in names and pnl.verdict(goals[slug]) is Verdict.CANNOT_TELL
        for slug, pnl in pnls.items()
    )


def without_revenue(pnls: Pnls, names: Mapping[str, str]) -> list[str]:
    """Names of tenants that cost money and have no revenue in these days."""
    return [
        names[slug]
        for slug, pnl in pnls.items()
        if slug is not None and slug in names and pnl.revenue <= ZERO and pnl.cost > ZERO
    ]


def unborne(pnls: Pnls, hrefs: Mapping[str, str]) -> list[Unborne]:
    """Unallocated cost by service category, the dearest first; the shares are of all cost."""
    loose, total = shown(unallocated_of(pnls)), total_of(pnls).cost
    rows = sorted(loose.direct.items(), key=lambda item: (-item[1], item[0]))
    return [
        Unborne(
            name,
            amount,
            numbers.percent(numbers.share_of(amount, total) or ZERO),
            hrefs.get(name, ""),
        )
        for name, amount in rows
        if amount
    ]
