"""Charge lines: what the provider printed, and the rule that allocated each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path, reverse

from allocation.core.figures import Slice
from allocation.lake import ChargeLinePage, charge_lines
from dashboards import numbers
from dashboards.pages import answer, stateful, tenant_slice
from dashboards.presenters.lines import lines_table, shown_lines
from dashboards.state import PageState, StateError
from finops.permissions import Capability, require, visible_tenants

PAGE_SIZE = 100
EXPORT_LIMIT = 100_000
_NOBODY = ""
_DRILL = ("category", "service", "charge")


@dataclass(frozen=True)
class Pager:
    """Where in a long list the page stands."""

    first: int
    last: int
    total: int
    previous_url: str
    next_url: str


@require(Capability.VIEW_CHARGE_LINES)
@stateful(default_period="3m")
def tenant_lines(request: HttpRequest, state: PageState, slug: str) -> HttpResponse:
    """The charge lines of one tenant."""
    tenant = get_object_or_404(visible_tenants(request.user), slug=slug)
    around = {
        "owner": tenant.name,
        "up_url": state.link(reverse("tenant", args=[slug])),
        "up_label": tenant.name,
    }
    return _lines(request, state, tenant_slice(state, slug), around, f"tenant-{slug}-lines")


@require(Capability.VIEW_CHARGE_LINES, company=True)
@stateful(default_period="30d")
def unallocated_lines(request: HttpRequest, state: PageState) -> HttpResponse:
    """The charge lines that no tenant bears."""
    around = {
        "owner": "nobody yet",
        "up_url": state.link(reverse("tenants")),
        "up_label": "Tenants",
    }
    return _lines(request, state, tenant_slice(state, _NOBODY), around, "unallocated-lines")


def _lines(
    request: HttpRequest, state: PageState, slice_: Slice, context: dict[str, Any], name: str
) -> HttpResponse:
    found = _read(state, slice_)
    table = lines_table(found, slice_.currency, f"Charge lines of {context['owner']}, {state.span}")
    amount = found.total_billed if state.metric == "billed" else found.total_effective
    context |= {
        "lines": shown_lines(found.lines),
        "total_billed": found.total_billed,
        "total_effective": found.total_effective,
        "pager": _pager(state, found),
        "as_of_today": "Charge lines are as restated: closed months keep their categories, not their lines.",
        "drill": [
            (key, state.get(key), state.url(**{key: ""})) for key in _DRILL if state.get(key)
        ],
        "sentence": (
            f"{numbers.counted(found.total_lines, 'charge line')} of {context['owner']} in {state.span}: "
            f"{numbers.money(amount)} {slice_.currency} {state.metric} cost."
        ),
    }
    return answer(
        request, state, "dashboards/lines.html", context, table=table, name=name, slice_=slice_
    )


def _read(state: PageState, slice_: Slice) -> ChargeLinePage:
    found = charge_lines(
        slice_,
        service_category=state.get("category"),
        service_name=state.get("service"),
        charge_category=state.get("charge"),
        limit=EXPORT_LIMIT if state.format else PAGE_SIZE,
        offset=0 if state.format else (state.page - 1) * PAGE_SIZE,
    )
    if state.format and found.total_lines > EXPORT_LIMIT:
        msg = (
            f"An export holds at most {EXPORT_LIMIT:,} lines and this selection has {found.total_lines:,}: "
            "choose a shorter period or one service."
        )
        raise StateError(msg)
    if not state.format and not found.lines and state.page > 1:
        msg = f"There is no page {state.page}: the list has {numbers.counted(found.total_lines, 'line')}."
        raise StateError(msg)
    return found


def _pager(state: PageState, found: ChargeLinePage) -> Pager:
    first = (state.page - 1) * PAGE_SIZE
    last = first + len(found.lines)
    return Pager(
        first=first + 1 if found.lines else 0,
        last=last,
        total=found.total_lines,
        previous_url=state.url(page=str(state.page - 1)) if state.page > 1 else "",
        next_url=state.url(page=str(state.page + 1)) if last < found.total_lines else "",
    )


urlpatterns = [
    path("tenants/<slug:slug>/lines/", tenant_lines, name="tenant-lines"),
    path("unallocated/lines/", unallocated_lines, name="unallocated-lines"),
]
