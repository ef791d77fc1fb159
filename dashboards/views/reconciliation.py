"""Reconciliation: is every cent accounted for, and is every source in time?"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path, reverse

from allocation.bridges import bridge
from allocation.selectors import reconciliation as read_reconciliation
from dashboards.context import current_freshness
from dashboards.navigation import NavEntry
from dashboards.pages import answer, stateful
from dashboards.presenters import reconciliation as present
from dashboards.presenters import work
from dashboards.state import PageState, StateError
from finops import clock
from finops.core.periods import PeriodError, month_text, parse_month
from finops.job_views import recent_jobs
from finops.permissions import Capability, require
from ingestion.models import Delivery
from ingestion.selectors import connections, deliveries, line_types, rejected_rows, shared_bills

NAV = NavEntry("Reconciliation", "reconciliation", 50, Capability.VIEW_RECONCILIATION)
_SHOWN_REJECTS = 500
_EXPORTED_REJECTS = 1_000_000


@require(Capability.VIEW_RECONCILIATION)
@stateful(default_period="mtd")
def reconciliation(request: HttpRequest, state: PageState) -> HttpResponse:
    """Control totals of every current load, then sources, deliveries and line types."""
    every = read_reconciliation()
    month = _month(state)
    rows = [row for row in every if month in {None, row.billing_period}]
    months = sorted({row.billing_period for row in every}, reverse=True)
    context: dict[str, Any] = {"sentence": present.sentence(rows)}
    if not state.format:
        found = deliveries()
        urls = [reverse("delivery-rejects", args=[row.pk]) for row in found]
        context |= {
            "sources": current_freshness().sources,
            "deliveries": present.deliveries_table(found, urls),
            "shared_bills": shared_bills(),
            "line_types": present.line_types_table(line_types()),
            "bridge": work.bridge_table(bridge(month)),
            "connections": work.connections_table(connections()),
            "jobs": work.jobs_table(recent_jobs(clock.now(), limit=10)),
        }
    table = present.reconciliation_table(rows)
    context["months"] = [(month_text(month), f"{month:%B %Y}") for month in months]
    return answer(
        request,
        state,
        "dashboards/reconciliation.html",
        context,
        table=table,
        name="reconciliation",
        span=state.get("period") or "all-periods",
    )


def _month(state: PageState) -> date | None:
    """The billing period that the address asks for; ``None`` is all of them."""
    try:
        return parse_month(state.get("period")) if state.get("period") else None
    except PeriodError as error:
        raise StateError(str(error)) from None


@require(Capability.VIEW_RECONCILIATION)
@stateful(default_period="mtd")
def delivery_rejects(request: HttpRequest, state: PageState, delivery_id: int) -> HttpResponse:
    """The rows of one delivery that were put aside, each with its reason."""
    delivery = get_object_or_404(Delivery.objects.select_related("source"), pk=delivery_id)
    limit = _EXPORTED_REJECTS if state.format else _SHOWN_REJECTS
    rows = rejected_rows(delivery_id, limit)
    context = {"delivery": delivery, "shown": len(rows), "may_be_more": len(rows) == limit}
    table = present.rejects_table(rows, delivery)
    name = f"delivery-{delivery_id}-rejects"
    return answer(
        request, state, "dashboards/rejects.html", context, table=table, name=name, span="all-rows"
    )


urlpatterns = [
    path("reconciliation/", reconciliation, name="reconciliation"),
    path(
        "reconciliation/deliveries/<int:delivery_id>/rejects/",
        delivery_rejects,
        name="delivery-rejects",
    ),
]
