"""What every page shares: reading the state, the person's slice, answering as page, CSV or spreadsheet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from allocation.changes import booked_in, changes_since_close
from allocation.core.figures import Slice
from allocation.past import PastGoneError
from allocation.reported import ReportedError
from allocation.selectors import currency_notes, filter_choices
from dashboards.context import last_whole_day
from dashboards.coverage import Coverage
from dashboards.exports import export_response
from dashboards.presenters.closing import Closing, closing_notes
from dashboards.presenters.currencies import rate_notes, sentences
from dashboards.shown import narrowed_reason
from dashboards.state import Link, PageState, StateError, read_state
from dashboards.tables import Table
from finops import clock
from finops.core.periods import Window
from finops.permissions import Capability, Person, check, sees_company, visible_tenants

_Rest = ParamSpec("_Rest")
StatefulView = Callable[Concatenate[HttpRequest, PageState, _Rest], HttpResponse]
View = Callable[Concatenate[HttpRequest, _Rest], HttpResponse]


def stateful(
    default_period: str, *, billed_days: bool = True
) -> Callable[[StatefulView[_Rest]], View[_Rest]]:
    """Give the view the state of its address; a bad address is answered with one sentence (400).

    Periods end with the last day whose bill is whole, unless the page needs no ``billed_days``.
    """

    def decorate(view: StatefulView[_Rest]) -> View[_Rest]:
        @wraps(view)
        def read(
            request: HttpRequest, /, *args: _Rest.args, **kwargs: _Rest.kwargs
        ) -> HttpResponse:
            try:
                state = read_state(
                    request.path,
                    request.GET.dict(),
                    today=clock.today(),
                    default_period=default_period,
                    through=last_whole_day() if billed_days else None,
                )
                return view(request, state, *args, **kwargs)
            except (StateError, PastGoneError, ReportedError) as error:
                context = {"sentence": str(error), "path": request.path}
                return render(request, "dashboards/bad_address.html", context, status=400)

        return read

    return decorate


def company_slice(user: Person, state: PageState, window: Window | None = None) -> Slice:
    """All that ``user`` may see: the whole company, or the tenants of the person's scope."""
    slugs = (
        None if sees_company(user) else tuple(visible_tenants(user).values_list("slug", flat=True))
    )
    return _slice(state, slugs, window)


def tenant_slice(state: PageState, slug: str, window: Window | None = None) -> Slice:
    """One tenant; the caller has checked that the person may see it."""
    return _slice(state, (slug,), window)


def _slice(state: PageState, slugs: tuple[str, ...] | None, window: Window | None) -> Slice:
    return Slice(
        window=window or state.window,
        tenants=slugs,
        metric=state.metric,
        provider=state.get("provider"),
        environment=state.get("environment"),
        product=state.get("product"),
        team=state.get("team"),
        currency=settings.REPORTING_CURRENCY,
        as_of=state.as_of,
        basis=state.basis,
    )


def narrowed(state: PageState) -> str:
    """Why revenue cannot stand beside the cost of this page; empty where it can."""
    return narrowed_reason(state.narrowed)


def answer(
    request: HttpRequest,
    state: PageState,
    template: str,
    context: dict[str, Any],
    *,
    table: Table,
    name: str,
    slice_: Slice | None = None,
    covered: Coverage | None = None,
    span: str = "",
    notes: Sequence[str] = (),
) -> HttpResponse:
    """The page, or ``table`` as the download that the address asks for.

    The file is named by ``name`` and ``span`` (the days of the page, unless said); ``slice_`` fills
    the filter bar with the choices that exist in it and names the exchange rates of its figures, ``covered`` says
    which months have no bill. ``notes`` stand beneath the table of a download.
    """
    if state.format:
        check(request.user, Capability.EXPORT_FIGURES)
        days = f"{state.window.start}_{state.window.last_day}"
        if slice_ is not None:
            notes = (*notes, *rate_notes(currency_notes(slice_), slice_.currency))
        return export_response(table, state.format, f"{name}_{span or days}", notes)
    context |= {"state": state, "table": table, "narrowed": narrowed(state), "coverage": covered}
    if slice_ is not None:
        context["choices"] = filter_choices(slice_)
        context["currencies"] = sentences(currency_notes(slice_), slice_.currency)
        context["currency"] = slice_.currency
        context["closing"] = _closing(state, slice_)
    return render(request, template, context)


def _closing(state: PageState, slice_: Slice) -> Closing:
    """What the filter bar says of closed months in the page's days."""
    changes = changes_since_close(slice_)
    is_reported = state.basis == "reported"
    return Closing(
        offered=bool(changes) or is_reported,
        notes=closing_notes(changes, booked_in(slice_) if is_reported else [], slice_),
        links=(
            Link("As restated", state.url(basis=""), not is_reported),
            Link("As reported", state.url(basis="reported"), is_reported),
        ),
    )


def sorted_table(table: Table, state: PageState, sortable: tuple[str, ...], default: str) -> Table:
    """``table`` in the order that the address asks for. Raises ``StateError``."""
    try:
        return table.sorted_by(state.sort or default, sortable)
    except KeyError:
        msg = f"sort={state.sort} is not a column: write one of {', '.join(sortable)}, with - for descending."
        raise StateError(msg) from None
