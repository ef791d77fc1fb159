"""Egress: what leaves the origins and the edge, whose it is, and what it costs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path

from allocation.core.keys import Key
from allocation.methods.host import METHOD
from dashboards.navigation import NavEntry
from dashboards.pages import answer, stateful
from dashboards.presenters import egress as present
from dashboards.state import PageState, StateError
from finops.models import Tenant
from finops.permissions import Capability, require
from ingestion.egress_selectors import egress
from ingestion.sources.cloudflare_logpush import SOURCE as LOGPUSH

NAV = NavEntry("Egress", "egress", 42, Capability.VIEW_RECONCILIATION, shows=(LOGPUSH.id,))
_MOST_DAYS = 100
_SHOWN, _EXPORTED = 200, 100_000


@require(Capability.VIEW_RECONCILIATION)
@stateful(default_period="7d", billed_days=False)
def egress_page(request: HttpRequest, state: PageState) -> HttpResponse:
    """Bytes, money and hit ratio by tenant, host and path. Raises ``StateError``."""
    if state.window.days > _MOST_DAYS:
        msg = f"This page holds at most {_MOST_DAYS} days, this period has {state.window.days}: choose a shorter one."
        raise StateError(msg)
    most = _EXPORTED if state.format else _SHOWN
    found = egress(state.window, most_paths=most)
    tenants = _tenants({row.host for row in found.rows})
    currency = settings.REPORTING_CURRENCY
    context: dict[str, Any] = {
        "sentence": present.sentence(found, tenants, state.span),
        "logged": present.logged_words(found, state.window),
        "sampled": present.sampled_words(found),
        "unpriced": found.unpriced,
        "most": _SHOWN,
    }
    return answer(
        request,
        state,
        "dashboards/egress.html",
        context,
        table=present.egress_table(found, tenants, currency),
        name="egress",
    )


def _tenants(hosts: set[str]) -> dict[str, str]:
    """Host → the name of the tenant that allocation gives it to."""
    method = METHOD.prepared()
    names = dict(Tenant.objects.values_list("slug", "name"))
    found = {host: method.assign(Key({"host": host}), "tenant") for host in hosts}
    return {host: names.get(one.value, one.value) for host, one in found.items() if one}


urlpatterns = [path("egress/", egress_page, name="egress")]
