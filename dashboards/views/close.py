"""Month close: what is missing, what will be reported, and the deed itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from allocation import books
from allocation.checklist import checklist
from allocation.close_selectors import (
    adjustment_sums,
    adjustments_of,
    borne_revenue,
    close_of,
    month_currencies,
    month_figures,
    month_states,
    months_with_figures,
    revenue_adjustments_of,
    still_agrees,
    window_so_far,
)
from allocation.core.checks import Asked, Item
from allocation.core.journal import to_csv
from allocation.core.pnl import Pnl
from allocation.currencies import CurrencyNotes
from allocation.journal import JournalError, journal_of
from allocation.month_close import CloseRefusedError, close_month, reopen_month
from allocation.report import figures_mark
from dashboards.context import last_whole_day
from dashboards.navigation import NavEntry
from dashboards.pages import answer, stateful
from dashboards.presenters import close as present
from dashboards.presenters.closing import adjustments_table, revenue_table
from dashboards.presenters.currencies import rate_notes, sentences
from dashboards.state import PageState, StateError, read_state
from finops import clock
from finops.core.amounts import ZERO
from finops.core.periods import PeriodError, month_text, parse_month
from finops.models import User
from finops.permissions import Capability, can, check, require

NAV = NavEntry("Month close", "month-close", 55, Capability.VIEW_RECONCILIATION)
_SHOWN_MONTHS = 24
_SHOWN_ADJUSTMENTS = 50
_CONFLICT = 409


@require(Capability.VIEW_RECONCILIATION)
@stateful(default_period="last-month", billed_days=False)
def month_close(request: HttpRequest, state: PageState) -> HttpResponse:
    """The months, and for one of them the checklist and the figures."""
    try:
        wanted = parse_month(state.get("period")) if state.get("period") else None
    except PeriodError as error:
        raise StateError(str(error)) from None
    return _page(request, state, wanted)


def _page(
    request: HttpRequest,
    state: PageState,
    wanted: date | None,
    *,
    typed: Mapping[str, str] | None = None,
    problem: str = "",
) -> HttpResponse:
    months = months_with_figures()
    through = books.closed_through()
    month = wanted or _first_to_close(months, through, state.today)
    if month is None:
        return render(request, "dashboards/close_empty.html", {"state": state})
    shown_months = sorted({month, *months[:_SHOWN_MONTHS]}, reverse=True)
    reach = last_whole_day()
    states = month_states(shown_months, today=state.today, reach=reach)
    own = next(one for one in states if one.month == month)
    closed = close_of(month)
    items = [] if own.is_closed else checklist(Asked(month, clock.now(), through))
    accepted = (closed.accepted if closed else None) or typed or {}
    shown = present.shown_items(items, _where, accepted)
    window = window_so_far(month, today=state.today, reach=reach)
    currency = settings.REPORTING_CURRENCY
    notes = month_currencies(window) if window else CurrencyNotes()
    figures = present.figures_table(
        month_figures(window) if window else Pnl(),
        month_figures(window, "restated") if window and own.is_closed else None,
        currency,
        borne_revenue=borne_revenue(window) if window else ZERO,
        so_far="" if own.is_over else "So far",
    )
    context: dict[str, Any] = {
        "month": month,
        "month_text": month_text(month),
        "sentence": present.sentence(month, own, items),
        "own": own,
        "months": present.months_table(states, _month_url, currency),
        "items": shown,
        "open_items": [item for item in shown if item.is_open],
        "blocked": any(item.word == present.STATE_WORDS["blocked"] for item in shown),  # type: ignore[index]  # a StrEnum is its text
        "closed": closed,
        "accepted": [
            (name, reason) for name, reason in (closed.accepted if closed else {}).items()
        ],
        "agrees": still_agrees(closed) if closed and state.get("verify") else None,
        "verify_url": state.url(verify="chain"),
        "is_last": bool(closed) and month == through,
        "may_close": can(request.user, Capability.CLOSE_MONTH),
        "typed": typed or {},
        "problem": problem,
        "reach": "" if own.is_closed else present.reach_note(month, reach, is_over=own.is_over),
        "currencies": sentences(notes, currency),
        "seen": "" if own.is_closed else figures_mark(month),
        "adjustments": adjustments_table(
            adjustments_of(month, limit=_SHOWN_ADJUSTMENTS),
            metric="effective",
            empty="Nothing has become known of its cost since the close.",
            with_tenant=True,
            sums=adjustment_sums(month),
        ),
        "revenue_adjustments": revenue_table(
            revenue_adjustments_of(month, limit=_SHOWN_ADJUSTMENTS)
        ),
        "reported_url": f"{reverse('tenants')}?{urlencode({'period': month_text(month), 'basis': 'reported'})}",
    }
    response = answer(
        request,
        state,
        "dashboards/close.html",
        context | {"figures_table": figures},
        table=present.checklist_table(shown) if state.format and not closed else figures,
        name="month-close",
        span=month_text(month),
        notes=rate_notes(notes, currency),
    )
    if problem:
        response.status_code = _CONFLICT
    return response


def _first_to_close(months: list[date], through: date | None, today: date) -> date | None:
    """The oldest month that waits for its close, else the newest one."""
    waiting = [month for month in months if through is None or month > through]
    over = [month for month in waiting if month < today.replace(day=1)]
    return min(over) if over else (months[0] if months else None)


def _where(item: Item) -> str:
    where = item.found.where
    if where is None:
        return ""
    query = dict(where.query)
    if where.page == "delivery-rejects":
        return reverse(where.page, args=[query["delivery_id"]])
    return f"{reverse(where.page)}?{urlencode(query)}" if query else reverse(where.page)


def _month_url(month: date) -> str:
    return f"{reverse('month-close')}?{urlencode({'period': month_text(month)})}"


def _month(text: str) -> date:
    try:
        return parse_month(text)
    except PeriodError as error:
        raise Http404(str(error)) from None


def _do(
    request: HttpRequest, text: str, deed: Callable[[date, User], str], typed: Mapping[str, str]
) -> HttpResponse:
    """Do it and say so; where it is refused, the page again with what was typed and why."""
    month = _month(text)
    try:
        said = deed(month, cast(User, request.user))
    except CloseRefusedError as error:
        state = read_state(
            reverse("month-close"),
            {"period": month_text(month)},
            today=clock.today(),
            default_period="last-month",
        )
        return _page(request, state, month, typed=typed, problem=str(error))
    messages.success(request, said)
    return redirect(_month_url(month))


@require_POST
@require(Capability.CLOSE_MONTH)
def close(request: HttpRequest, text: str) -> HttpResponse:
    """Close the month with what the form says."""
    accept = {
        name.removeprefix("accept-"): str(value)
        for name, value in request.POST.items()
        if name.startswith("accept-")
    }
    reason = request.POST.get("reason", "")

    def deed(month: date, user: User) -> str:
        if request.POST.get("confirm") != "yes":
            msg = "Confirm that you have seen the figures, then close the month."
            raise CloseRefusedError(msg)
        seen = request.POST.get("seen", "")
        close_month(month=month, actor=user, reason=reason, accept=accept, seen=seen)
        return f"{month:%B %Y} is closed. What becomes known later is a prior-period adjustment."

    return _do(request, text, deed, {**accept, "reason": reason})


@require_POST
@require(Capability.CLOSE_MONTH)
def reopen(request: HttpRequest, text: str) -> HttpResponse:
    """Open the last closed month again."""
    reason = request.POST.get("reason", "")

    def deed(month: date, user: User) -> str:
        reopen_month(month=month, actor=user, reason=reason)
        return f"{month:%B %Y} is open again; its adjustments are taken back."

    return _do(request, text, deed, {"reopen": reason})


@require_safe
@require(Capability.VIEW_RECONCILIATION)
def journal(request: HttpRequest, text: str) -> HttpResponse:
    """The month's GL journal as CSV; where it cannot be made, the page says why."""
    check(request.user, Capability.EXPORT_FIGURES)
    month = _month(text)
    try:
        lines = journal_of(month)
    except JournalError as error:
        messages.warning(request, str(error))
        return redirect(_month_url(month))
    response = HttpResponse(to_csv(lines).encode(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="journal_{month_text(month)}.csv"'
    response["Cache-Control"] = "private, no-store"
    return response


urlpatterns = [
    path("month-close/", month_close, name="month-close"),
    path("month-close/<str:text>/close/", close, name="month-close-do"),
    path("month-close/<str:text>/reopen/", reopen, name="month-reopen"),
    path("month-close/<str:text>/journal.csv", journal, name="month-journal"),
]
