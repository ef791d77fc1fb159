"""Overview: is anything wrong with our money today?"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse

from allocation.core.figures import Slice
from allocation.reported import tells
from allocation.selectors import pnl_by_column, pnl_by_tenant
from dashboards import charts
from dashboards.context import current_freshness
from dashboards.coverage import coverage
from dashboards.goals import company_goal, goals_of
from dashboards.navigation import NavEntry
from dashboards.pages import answer, company_slice, narrowed, stateful
from dashboards.presenters import overview as present
from dashboards.state import PageState, span_text
from finops.core.periods import Window
from finops.permissions import Capability, can, require, sees_company, visible_tenants

NAV = NavEntry("Overview", "overview", 10, Capability.VIEW_PNL)
_CHART_DAYS = 90
_SHORT = 6


@require(Capability.VIEW_PNL)
@stateful(default_period="30d")
def overview(request: HttpRequest, state: PageState) -> HttpResponse:
    """Sentence, figures against the period before, the margin line, the queues."""
    slice_ = company_slice(request.user, state)
    now = pnl_by_tenant(slice_)
    earlier = company_slice(request.user, state, state.period.previous)
    before = pnl_by_tenant(earlier) if tells(earlier, "month") else {}
    tenants = list(visible_tenants(request.user))
    names = {tenant.slug: tenant.name for tenant in tenants}
    goals = {slug: goal.value for slug, goal in goals_of(names).items()}
    goal = company_goal().value
    covered = coverage(state.window, state.period.previous, state.as_of, basis=state.basis)
    scope = present.Scope(
        whole_company=sees_company(request.user),
        currency=slice_.currency,
        goal=goal,
        narrowed=narrowed(state),
        previous_span=span_text(state.period.previous),
        tenants_url=state.link(reverse("tenants")),
        gap=covered.now,
        previous_gap=covered.before,
    )
    hrefs = {slug: state.link(reverse("tenant", args=[slug])) for slug in names}
    below = [] if scope.narrowed else present.below_goal(now, names, goals, hrefs)
    without = [] if scope.narrowed else present.without_revenue(now, names)
    # A tag that earns nothing is the likeliest misspelling, so it is asked about first.
    unconfirmed = (tenant for tenant in tenants if tenant.discovered and tenant.is_active)
    discovered = sorted(unconfirmed, key=lambda tenant: tenant.name not in without)
    context = {
        "sentence": present.headline(now, scope, below),
        "tiles": present.tiles(now, before, scope),
        "whole_company": scope.whole_company,
        "below": below[:_SHORT],
        "more_below": len(below) - _SHORT,
        "undecided": 0 if scope.narrowed else present.undecided(now, names, goals),
        "by_gap_url": state.link(reverse("tenants"), sort="gap"),
        "without_revenue": without,
        "unborne": _unborne(state, now) if scope.whole_company else [],
        "unallocated_url": state.link(reverse("unallocated-lines")),
        "discovered": discovered[:_SHORT],
        "more_discovered": len(discovered) - _SHORT,
        "may_confirm": can(request.user, Capability.ENTER_ADMIN),
        "chart": None if state.format else _margin_line(request, state, slice_, scope),
        "as_of_today": "The line by day is as restated: closed months are kept by month.",
        "has_figures": bool(now),
        "has_tenants": bool(tenants),
    }
    table = present.figures_table(now, before, scope)
    return answer(
        request,
        state,
        "dashboards/overview.html",
        context,
        table=table,
        name="overview",
        slice_=slice_,
        covered=covered,
    )


def _unborne(state: PageState, pnls: present.Pnls) -> list[present.Unborne]:
    lines = reverse("unallocated-lines")
    categories = present.unallocated_of(pnls).direct
    return present.unborne(pnls, {name: state.link(lines, category=name) for name in categories})


def _margin_line(
    request: HttpRequest, state: PageState, slice_: Slice, scope: present.Scope
) -> charts.Chart | None:
    """The 90 days up to the last day of the period; none where the filters leave no revenue."""
    if scope.narrowed:
        return None
    last = min(state.window.last_day, state.today)
    window = Window(last - timedelta(days=_CHART_DAYS - 1), last + timedelta(days=1))
    # Closed months are kept by month: the line by day is that of the ledger.
    days = replace(company_slice(request.user, state, window), basis="restated")
    by_day = pnl_by_column(days, "day")
    as_of = current_freshness().as_of
    through = None if as_of is None else as_of.date() - timedelta(days=1)
    points = charts.margin_points(by_day, list(window.each_day()), through)
    if not by_day:
        return None
    return charts.Chart(
        key="margin-line",
        title=f"Gross margin by day, {span_text(window)}",
        figure=charts.margin_line(points, scope.goal),
        summary=charts.margin_line_summary(points, scope.goal),
        table=charts.margin_line_table(
            points, slice_.currency, "no revenue, or no cost, on this day"
        ),
    )


urlpatterns = [path("", overview, name="overview")]
