"""Reconciliation: is every cent accounted for, from the source's total to the tenants' cost?"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import path, reverse

from allocation.bridges import bridge
from allocation.core.focus_export import VERSIONS
from allocation.focus_download import focus_download
from allocation.focus_export import ExportError, Wanted
from allocation.reconciling import provider_months
from allocation.selectors import reconciliation as read_reconciliation
from dashboards.navigation import NavEntry
from dashboards.pages import answer, stateful
from dashboards.presenters import providers
from dashboards.presenters import reconciliation as present
from dashboards.presenters.bridge import bridge_table
from dashboards.state import PageState, StateError
from finops.core.periods import PeriodError, month_text, parse_month
from finops.permissions import Capability, check, require
from ingestion.core.delivery import SourceError
from ingestion.selectors import month_statuses

NAV = NavEntry("Reconciliation", "reconciliation", 50, Capability.VIEW_RECONCILIATION)


@require(Capability.VIEW_RECONCILIATION)
@stateful(default_period="mtd")
def reconciliation(request: HttpRequest, state: PageState) -> HttpResponse:
    """Bills by provider, the control totals beneath them, the bridge from billed to effective cost."""
    every = read_reconciliation()
    month = _month(state)
    rows = [row for row in every if month in {None, row.billing_period}]
    months = {row.billing_period for row in every} | ({month} if month else set())
    statuses = month_statuses(state.today)
    context: dict[str, Any] = {}
    if not state.format:
        bills = provider_months(month, rows)
        months |= {bill.key.billing_period for bill in bills}
        context |= {
            "sentence": providers.sentence(bills, anything_loaded=bool(every)),
            "found": bills,
            "bills": providers.identity_table(bills),
            "gaps": providers.gaps_table(bills),
            "beside": providers.beside_table(bills),
            "parts": providers.parts_table(bills),
            "evidence": providers.evidence_table(bills),
            "meters": providers.meters_table(bills),
            "sources": present.sources_table(rows, statuses),
            "bridge": bridge_table(bridge(month)),
        }
    table = present.reconciliation_table(rows, statuses)
    context["months"] = [(month_text(one), f"{one:%B %Y}") for one in sorted(months, reverse=True)]
    if month and rows:
        context["focus_versions"] = VERSIONS
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
def focus(request: HttpRequest, version: str) -> HttpResponseBase:
    """The charge lines of one billing period as a FOCUS file: needs the right to export."""
    check(request.user, Capability.EXPORT_FIGURES, company=True)
    try:
        return focus_download(
            Wanted(period=parse_month(request.GET.get("period", "")), version=version)
        )
    except (PeriodError, ExportError, SourceError) as error:
        context = {"sentence": str(error), "path": reverse("reconciliation")}
        return render(request, "dashboards/bad_address.html", context, status=400)


urlpatterns = [
    path("reconciliation/", reconciliation, name="reconciliation"),
    path("reconciliation/focus-<str:version>/", focus, name="focus-export"),
]
