"""`manage.py pnl --period YYYY-MM [--tenant SLUG] [--as-of DAY] [--format table|json|csv]`."""

from __future__ import annotations

import csv
import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from allocation.core.figures import Slice
from allocation.core.pnl import NON_PRODUCTION, Pnl
from allocation.past import PastGoneError
from allocation.reported import ReportedError
from allocation.selectors import currency_notes, pnl_by_tenant
from composition.guard import one_sentence
from composition.output import print_table
from finops.core.amounts import ZERO, exact_sum, money_text, plain, to_cents
from finops.core.periods import PeriodError, Window, month_text, parse_moment, parse_month
from finops.core.tunables import Effective
from finops.models import Tenant
from finops.selectors import effective_setting, effective_settings_for
from ingestion.selectors import data_through, loads_at

FIELDS = (
    "tenant",
    "period",
    "currency",
    "revenue",
    "direct_cost",
    "shared_cost",
    "cost",
    "estimated_cost",
    "gross_profit",
    "gross_margin",
    "credits",
    "gross_profit_after_credits",
    "tax",
    "non_production",
    "firm",
    "inferred",
    "fallback",
    "gross_margin_low",
    "gross_margin_high",
    "margin_goal",
    "verdict",
    "cost_through",
)
UNALLOCATED = "(unallocated)"


class Command(BaseCommand):
    """Print every tenant's P&L of a month, effective cost, exact."""

    help = (
        "Revenue, cost and gross margin of a month, by tenant. Money in JSON and CSV is exact text."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The options."""
        parser.add_argument("--period", required=True, help="the month, YYYY-MM")
        parser.add_argument("--tenant", help="only this tenant (slug)")
        parser.add_argument(
            "--as-of",
            help="the bills as they were known then: YYYY-MM-DD (end of the day) or YYYY-MM-DDTHH:MM, UTC",
        )
        parser.add_argument(
            "--basis",
            choices=("restated", "reported"),
            default="restated",
            help="reported: a closed month as it was closed, with what it bears of earlier months",
        )
        parser.add_argument("--format", choices=("table", "json", "csv"), default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the rows."""
        with one_sentence():
            self._print(options)

    def _print(self, options: dict[str, Any]) -> None:
        try:
            window = Window.of_month(parse_month(options["period"]))
            as_of = parse_moment(options["as_of"]) if options["as_of"] else None
        except PeriodError as error:
            raise CommandError(str(error), returncode=2) from None
        slug = options["tenant"]
        if slug and not Tenant.objects.filter(slug=slug).exists():
            known = ", ".join(Tenant.objects.values_list("slug", flat=True)[:10]) or "none yet"
            msg = f"There is no tenant {slug!r}. Known: {known}."
            raise CommandError(msg, returncode=2)
        slice_ = Slice(
            window=window,
            tenants=(slug,) if slug else None,
            currency=settings.REPORTING_CURRENCY,
            as_of=as_of,
            basis=options["basis"],
        )
        try:
            rows = _rows(slice_, window)
        except (PastGoneError, ReportedError) as error:
            raise CommandError(str(error), returncode=2) from None
        if options["format"] == "json":
            self.stdout.write(json.dumps(rows, indent=2))
        elif options["format"] == "csv":
            writer = csv.DictWriter(self.stdout, FIELDS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        else:
            self._table(rows, slice_)

    def _table(self, rows: list[dict[str, Any]], slice_: Slice) -> None:
        if not rows:
            self.stdout.write(f"No revenue and no cost in {month_text(slice_.window.start)}.")
            return
        shown = ("revenue", "cost", "gross_profit", "credits", "tax")
        print_table(
            self.stdout,
            (
                ("tenant", "left"),
                *((name.replace("_", " "), "right") for name in shown),
                ("gross margin", "right"),
                ("bounds", "right"),
                ("against the goal", "left"),
            ),
            [_cells(row, shown) for row in rows],
            title=f"{month_text(slice_.window.start)} · {slice_.currency} · effective cost"
            + (f" · as known at {slice_.as_of:%Y-%m-%d %H:%M} UTC" if slice_.as_of else "")
            + (" · as reported" if slice_.basis == "reported" else ""),
        )
        estimated = exact_sum(Decimal(row["estimated_cost"]) for row in rows)
        if estimated:
            amount = money_text(estimated, slice_.currency)
            self.stdout.write(f"Of the cost {amount} is estimated from usage, beyond the bills.")
        through = _through(slice_)
        if through and through.date() < slice_.window.end:
            self.stdout.write(
                f"The bills reach to {through:%Y-%m-%d %H:%M} UTC and revenue to the month's end: "
                "margins of an open month are not final."
            )
        notes = currency_notes(slice_)
        for one in notes.converted:
            self.stdout.write(
                f"In other currencies: cost {plain(one.cost)} and revenue {plain(one.revenue)} {one.rate.base} at "
                f"{plain(one.rate.rate)} ({one.rate.basis})."
            )
        for left_out in notes.missing:
            self.stdout.write(
                f"In no figure, because no rate is known: cost {plain(left_out.cost)} and revenue "
                f"{plain(left_out.revenue)} {left_out.currency}."
            )


def _rows(slice_: Slice, window: Window) -> list[dict[str, Any]]:
    pnls = pnl_by_tenant(slice_)
    company = effective_setting("MARGIN_GOAL")
    through = _cost_through(slice_)
    goals = effective_settings_for("MARGIN_GOAL", [slug for slug in pnls if slug])
    ordered = sorted(pnls, key=lambda slug: (slug is None, slug or ""))
    return [
        _object(slug, pnls[slug], goals.get(slug or "", company), slice_, window)
        | {"cost_through": through}
        for slug in ordered
    ]


def _object(
    slug: str | None, pnl: Pnl, goal: Effective, slice_: Slice, window: Window
) -> dict[str, Any]:
    def margin(value: Any) -> str | None:
        return None if value is None else plain(value)

    return {
        "tenant": slug or UNALLOCATED,
        "period": month_text(window.start),
        "currency": slice_.currency,
        "revenue": plain(pnl.revenue),
        "direct_cost": plain(exact_sum(pnl.direct.values())),
        "shared_cost": None if pnl.shared is None else plain(pnl.shared),
        "cost": plain(pnl.cost),
        "estimated_cost": plain(pnl.estimated),
        "gross_profit": plain(pnl.gross_profit),
        "gross_margin": margin(pnl.gross_margin),
        "credits": plain(pnl.credits),
        "gross_profit_after_credits": plain(pnl.gross_profit_after_credits),
        "tax": plain(exact_sum(v for name, v in pnl.below_line.items() if name != NON_PRODUCTION)),
        "non_production": plain(pnl.below_line.get(NON_PRODUCTION, ZERO)),
        "firm": plain(pnl.firm),
        "inferred": plain(pnl.inferred),
        "fallback": plain(pnl.fallback),
        "gross_margin_low": margin(pnl.margin_low),
        "gross_margin_high": margin(pnl.margin_high),
        "margin_goal": plain(goal.value),
        "verdict": pnl.verdict(goal.value).value if slug else "unallocated",
    }


def _through(slice_: Slice) -> datetime | None:
    return data_through(None if slice_.as_of is None else loads_at(slice_.as_of))


def _cost_through(slice_: Slice) -> str | None:
    """The last day of the month whose cost has come whole; revenue is always the whole month's."""
    window, through = slice_.window, _through(slice_)
    if through is None or through.date() <= window.start:
        return None
    return str(min(through.date() - timedelta(days=1), window.last_day))


def _cells(row: dict[str, Any], shown: tuple[str, ...]) -> tuple[str, ...]:
    def money(text: str) -> str:
        return f"{to_cents(Decimal(text)):,}"

    def percent(text: str | None) -> str:
        return "—" if text is None else f"{Decimal(text) * 100:.1f} %"

    bounds = f"{percent(row['gross_margin_low'])} … {percent(row['gross_margin_high'])}"
    return (
        row["tenant"],
        *(money(row[name]) for name in shown),
        percent(row["gross_margin"]),
        "—" if row["gross_margin_low"] is None else bounds,
        row["verdict"],
    )
