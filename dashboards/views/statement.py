"""One tenant's statement, and the services beneath each of its cost lines."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.views.decorators.vary import vary_on_headers

from allocation.changes import changes_since_close
from allocation.core.closing import EXCHANGE, PRIOR_PERIOD
from allocation.core.figures import Statement
from allocation.core.pnl import Verdict
from allocation.reported import adjustments
from allocation.selectors import services as service_rows
from allocation.selectors import statement as read_statement
from allocation.selectors import unallocated_cost, untagged_resources
from dashboards import charts
from dashboards.coverage import Coverage, coverage
from dashboards.goals import ORIGINS, tenant_goal
from dashboards.numbers import counted, listed
from dashboards.pages import answer, company_slice, narrowed, stateful, tenant_slice
from dashboards.presenters import services as present_services
from dashboards.presenters import verdict
from dashboards.presenters.closing import adjustments_table, closed_marks
from dashboards.presenters.statement import Frame, statement_table
from dashboards.shown import estimated_words, is_empty, mix, shown
from dashboards.state import PageState, StateError, span_text
from finops.core.tunables import Effective
from finops.models import Tenant
from finops.permissions import Capability, can, require, sees_company, visible_tenants


@require(Capability.VIEW_PNL)
@stateful(default_period="3m")
def tenant_statement(request: HttpRequest, state: PageState, slug: str) -> HttpResponse:
    """Revenue, cost, margin and its bounds by month or day, against the period before."""
    tenant = get_object_or_404(visible_tenants(request.user), slug=slug)
    slice_ = tenant_slice(state, slug)
    found = read_statement(slice_, state.granularity, previous=state.period.previous)
    goal = tenant_goal(tenant)
    unallocated = None
    if sees_company(request.user):
        unallocated = unallocated_cost(company_slice(request.user, state))
    covered = coverage(state.window, state.period.previous, state.as_of, basis=state.basis)
    frame = Frame(
        state=state,
        currency=slice_.currency,
        goal=goal.value,
        services_path=reverse("tenant-services", args=[slug]),
        narrowed=narrowed(state),
        gap=covered.now,
        previous_gap=covered.before,
        unallocated=unallocated,
        closed=closed_marks(changes_since_close(slice_)),
    )
    table = statement_table(found, frame, f"Profit and loss of {tenant.name}, {state.span}")
    context = (
        _around(tenant, state, found, currency=slice_.currency, goal=goal, covered=covered)
        if not state.format
        else {}
    )
    context["compare_url"] = state.url(compare="previous")
    context["plain_url"] = state.url(compare="")
    context["may_see_lines"] = can(request.user, Capability.VIEW_CHARGE_LINES, tenant)
    context["lines_url"] = state.link(reverse("tenant-lines", args=[slug]))
    return answer(
        request,
        state,
        "dashboards/tenant.html",
        context,
        table=table,
        covered=covered,
        name=f"tenant-{slug}",
        slice_=slice_,
    )


def _around(
    tenant: Tenant,
    state: PageState,
    found: Statement,
    *,
    currency: str,
    goal: Effective,
    covered: Coverage,
) -> dict[str, Any]:
    """What stands around the statement: verdict, gauge, what would settle it, the bridge."""
    why_not = narrowed(state)
    untold = why_not or covered.now
    figures = shown(found.total, why_not, covered.now)
    unsettled = not untold and found.total.verdict(goal.value) is Verdict.CANNOT_TELL
    rows = untagged_resources(tenant_slice(state, tenant.slug), tenant.slug) if unsettled else []
    return {
        "tenant": tenant,
        "sentence": verdict.sentence(tenant.name, figures, found.total, goal, state.span)
        + estimated_words(figures, currency),
        "verdict": verdict.verdict_words(found.total, goal.value, untold),
        "figures": figures,
        "margin_text": verdict.margin_text(figures, goal.value),
        "goal": goal,
        "origin": ORIGINS[goal.origin],
        "gauge": verdict.gauge(figures, goal.value),
        "mix": mix(found.total),
        "settling": verdict.settling_table(rows, currency) if unsettled else None,
        "chart": None if untold or covered.before else _bridge(state, found, currency),
        "no_bridge": "" if untold else covered.before,
        "is_empty": is_empty(found.total) and is_empty(found.previous),
        "incomplete": listed([column.label for column in found.columns if not column.complete]),
    }


def _bridge(state: PageState, found: Statement, currency: str) -> charts.Chart | None:
    steps = charts.bridge_steps(found.previous, found.total)
    if not steps:
        return None
    before = span_text(state.period.previous)
    return charts.Chart(
        key="bridge",
        title=f"What moved the margin since {before}",
        figure=charts.margin_bridge(steps),
        summary=charts.bridge_summary(steps, before),
        table=charts.bridge_table(steps, currency),
    )


@require(Capability.VIEW_PNL)
@vary_on_headers("HX-Request")
@stateful(default_period="3m")
def tenant_services(request: HttpRequest, state: PageState, slug: str) -> HttpResponse:
    """The services of one cost category: a part beneath its row, or a page of its own."""
    tenant = get_object_or_404(visible_tenants(request.user), slug=slug)
    category = state.get("category")
    if not category:
        msg = "This page shows the services of one category: name it, for example category=Compute."
        raise StateError(msg)
    slice_ = tenant_slice(state, slug)
    if category in {PRIOR_PERIOD, EXCHANGE}:
        return _adjustments(request, state, tenant, is_exchange=category == EXCHANGE)
    lines = reverse("tenant-lines", args=[slug])
    table = present_services.services_table(
        service_rows(slice_, category),
        metric=state.metric,
        currency=slice_.currency,
        category=category,
        below_line=settings.PNL_BELOW_THE_LINE,
        link=lambda service, charge: state.link(
            lines, category=category, service=service, charge=charge
        ),
    )
    context: dict[str, Any] = {
        "tenant": tenant,
        "category": category,
        "state": state,
        "table": table,
        "as_of_today": "Services are as restated: closed months keep their categories, not their services.",
    }
    if request.htmx and not state.format:  # type: ignore[attr-defined]  # set by HtmxMiddleware
        return render(request, "dashboards/_services.html", context)
    context["sentence"] = present_services.services_sentence(
        table, category, tenant.name, state.span, slice_.currency
    )
    context["statement_url"] = state.link(reverse("tenant", args=[slug]))
    name = f"tenant-{slug}-services"
    return answer(
        request, state, "dashboards/services.html", context, table=table, name=name, slice_=slice_
    )


def _adjustments(
    request: HttpRequest, state: PageState, tenant: Tenant, *, is_exchange: bool
) -> HttpResponse:
    """What stands beneath the line of prior-period adjustments, or of exchange differences."""
    slice_ = tenant_slice(state, tenant.slug)
    rows = adjustments(slice_, is_exchange=is_exchange)
    table = adjustments_table(
        rows, metric=state.metric, empty="No adjustment is booked in these days."
    )
    context: dict[str, Any] = {
        "tenant": tenant,
        "category": EXCHANGE if is_exchange else PRIOR_PERIOD,
        "state": state,
        "table": table,
        "is_adjustments": True,
    }
    if request.htmx and not state.format:  # type: ignore[attr-defined]  # set by HtmxMiddleware
        return render(request, "dashboards/_services.html", context)
    context["sentence"] = (
        f"{counted(len(rows), 'adjustment')} of closed months {'is' if len(rows) == 1 else 'are'} booked in "
        f"{state.span} for {tenant.name}."
    )
    context["statement_url"] = state.link(reverse("tenant", args=[tenant.slug]))
    name = f"tenant-{tenant.slug}-adjustments"
    return answer(
        request, state, "dashboards/services.html", context, table=table, name=name, slice_=slice_
    )


urlpatterns = [
    path("tenants/<slug:slug>/", tenant_statement, name="tenant"),
    path("tenants/<slug:slug>/services/", tenant_services, name="tenant-services"),
]
