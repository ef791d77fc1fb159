"""All tenants: who earns, who costs, who is above the goal."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse

from allocation.selectors import pnl_by_tenant
from dashboards.coverage import coverage
from dashboards.goals import company_goal, goals_of
from dashboards.navigation import NavEntry
from dashboards.pages import answer, company_slice, narrowed, sorted_table, stateful
from dashboards.presenters import tenants as present
from dashboards.state import PageState
from finops.permissions import Capability, require, sees_company, visible_tenants

NAV = NavEntry("Tenants", "tenants", 20, Capability.VIEW_PNL)


@require(Capability.VIEW_PNL)
@stateful(default_period="30d")
def tenants(request: HttpRequest, state: PageState) -> HttpResponse:
    """One row per tenant that this person may see."""
    slice_ = company_slice(request.user, state)
    pnls = pnl_by_tenant(slice_)
    known = list(visible_tenants(request.user))
    goals = goals_of(tenant.slug for tenant in known)
    lines = [
        present.TenantLine(
            tenant.slug,
            tenant.name,
            state.link(reverse("tenant", args=[tenant.slug])),
            goals[tenant.slug],
            tenant.is_active,
        )
        for tenant in known
    ]
    covered = coverage(state.window, state.period.previous, state.as_of, basis=state.basis)
    scope = present.Scope(
        whole_company=sees_company(request.user),
        currency=slice_.currency,
        company_goal=company_goal().value,
        narrowed=narrowed(state),
        unallocated_url=state.link(reverse("unallocated-lines")),
        gap=covered.now,
    )
    table = present.tenants_table(pnls, lines, scope)
    context = {
        "sentence": present.sentence(pnls, lines, scope),
        "bridge": present.bridge(pnls, scope),
        "sortable": present.SORTABLE,
        "default_sort": present.DEFAULT_SORT,
    }
    ordered = sorted_table(table, state, present.SORTABLE, present.DEFAULT_SORT)
    return answer(
        request,
        state,
        "dashboards/tenants.html",
        context,
        table=ordered,
        name="tenants",
        slice_=slice_,
        covered=covered,
    )


urlpatterns = [path("tenants/", tenants, name="tenants")]
