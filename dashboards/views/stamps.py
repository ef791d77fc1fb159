"""Time stamps: how far are the contracts used, what will the month end with, and whose tokens are they?"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse

from dashboards.navigation import NavEntry
from dashboards.pages import answer, stateful
from dashboards.presenters import stamps as present
from dashboards.presenters.stamps_chart import chart
from dashboards.state import Link, PageState
from finops import clock
from finops.core.periods import add_months, month_start, month_text
from finops.models import Tenant
from finops.permissions import Capability, require
from ingestion.tsa_models import KINDS
from ingestion.tsa_selectors import stamp_month

NAV = NavEntry("Time stamps", "time-stamps", 44, Capability.VIEW_RECONCILIATION, shows=KINDS)
_MONTHS_OFFERED = 6


@require(Capability.VIEW_RECONCILIATION)
@stateful(default_period="mtd", billed_days=False)
def time_stamps(request: HttpRequest, state: PageState) -> HttpResponse:
    """The month of the period's last day."""
    now = clock.now()
    month = month_start(state.window.last_day)
    found = stamp_month(month, now=now)
    slugs = Tenant.objects.filter(slug__in=[one.slug for one in found.tenants])
    links = {
        slug: state.link(reverse("tenant", args=[slug]), period=month_text(month))
        for slug in slugs.values_list("slug", flat=True)
    }
    table = present.tenants_table(found, links)
    context: dict[str, Any] = {}
    if not state.format:
        is_open = month == month_start(now.date())
        context = {
            "sentence": present.sentence(found, is_open=is_open),
            "tested": present.tested(found.projection) if is_open else "",
            "saving": present.saving_note(found),
            "rejections": present.rejections_sentence(found),
            "contracts": present.contracts_table(found),
            "chart": chart(found) if found.by_day else None,
            "found": found,
            "month": present.month_name(month),
            "months": _months(state, month),
        }
    return answer(
        request,
        state,
        "dashboards/stamps.html",
        context,
        table=table,
        name="time-stamps",
        span=month_text(month),
    )


def _months(state: PageState, month: date) -> list[Link]:
    first = month_start(state.today)
    months = [add_months(first, -back) for back in range(_MONTHS_OFFERED)]
    if month not in months:
        months.append(month)
    return [
        Link(present.month_name(one), state.url(period=month_text(one)), one == month)
        for one in months
    ]


urlpatterns = [path("time-stamps/", time_stamps, name="time-stamps")]
