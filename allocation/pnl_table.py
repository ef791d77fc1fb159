"""P&L as rows: tenant by span, with goal, verdict and what keeps a margin from being told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from allocation.core.figures import Granularity, Slice
from allocation.core.pnl import Pnl, add_pnls
from allocation.coverage import Gap, gaps
from allocation.facts import pnls_by_tenant_and_column
from finops.core.periods import Window, add_months, month_text
from finops.core.tunables import Effective
from finops.selectors import effective_setting, effective_settings_for

GOAL = "MARGIN_GOAL"


@dataclass(frozen=True)
class PnlLine:
    """One tenant's P&L over one span; ``tenant`` is empty for what nobody bears and for the company."""

    tenant: str | None
    window: Window
    pnl: Pnl
    goal: Effective
    gap: Gap


@dataclass(frozen=True)
class PnlTable:
    """Lines by span and tenant, what nobody bears last; ``company`` has one line a span, or is ``None``."""

    lines: tuple[PnlLine, ...]
    company: tuple[PnlLine, ...] | None


def pnl_table(slice_: Slice, granularity: Granularity | None, *, through: date | None) -> PnlTable:
    """The P&L of the slice's tenants; the company's too where the slice is the whole company.

    Without ``granularity`` there is one span, the window. ``through`` is the last day whose cost has come.
    """
    found = pnls_by_tenant_and_column(slice_, granularity)
    spans = dict(_spans(slice_.window, granularity))
    lacking = dict(
        zip(spans, gaps(list(spans.values()), through=through, as_of=slice_.as_of), strict=True)
    )
    company = effective_setting(GOAL)
    goals = effective_settings_for(GOAL, {slug for slug, _ in found if slug})
    by_span: dict[str, list[tuple[str | None, Pnl]]] = defaultdict(list)
    for (slug, key), pnl in found.items():
        by_span[key].append((slug, pnl))

    def line(slug: str | None, key: str, pnl: Pnl) -> PnlLine:
        return PnlLine(slug, spans[key], pnl, goals.get(slug or "", company), lacking[key])

    lines = [
        line(slug, key, pnl)
        for key in spans
        for slug, pnl in sorted(by_span[key], key=lambda item: (item[0] is None, item[0] or ""))
    ]
    totals = None
    if slice_.tenants is None:
        totals = tuple(line(None, key, add_pnls(pnl for _, pnl in by_span[key])) for key in spans)
    return PnlTable(tuple(lines), totals)


def _spans(window: Window, granularity: Granularity | None) -> Iterable[tuple[str, Window]]:
    if granularity is None:
        yield "", window
    elif granularity == "day":
        for day in window.each_day():
            yield day.isoformat(), Window(day, day + timedelta(days=1))
    else:
        for month in window.each_month():
            span = Window(max(month, window.start), min(add_months(month, 1), window.end))
            yield month_text(month), span
