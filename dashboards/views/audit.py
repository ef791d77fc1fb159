"""Audit log: who did what, when, and why; and whether anybody changed it afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboards.navigation import NavEntry
from dashboards.pages import answer, stateful
from dashboards.presenters import audit as present
from dashboards.state import PageState, StateError
from finops import audit
from finops.audit_verbs import verb_of
from finops.permissions import Capability, require

NAV = NavEntry("Audit log", "audit-log", 85, Capability.VIEW_AUDIT)
_PAGE, _EXPORTED = 100, 100_000


@require(Capability.VIEW_AUDIT)
@stateful(default_period="90d", billed_days=False)
def audit_log(request: HttpRequest, state: PageState) -> HttpResponse:
    """Entries of the period, narrowed by actor, verb and target; the chain is verified when asked for."""
    window = state.window
    rows = audit.entries(
        actor=state.get("actor"),
        verb=state.get("verb"),
        target=state.get("target"),
        since=datetime.combine(window.start, time.min, UTC),
        until=datetime.combine(window.end, time.min, UTC),
    )
    total = rows.count()
    if state.format and total > _EXPORTED:
        msg = f"An export holds at most {_EXPORTED:,} entries, these are {total:,}: choose a shorter period."
        raise StateError(msg)
    first = 0 if state.format else (state.page - 1) * _PAGE
    shown = list(rows[first : first + (_EXPORTED if state.format else _PAGE)])
    if not shown and first:
        msg = f"There is no page {state.page}: the list has {total} entries."
        raise StateError(msg)
    context: dict[str, Any] = {}
    if not state.format:
        held, broken = audit.verify() if state.get("verify") else (None, None)
        head = audit.head()
        actors, verbs = audit.choices()
        context = {
            "sentence": present.sentence(
                total, held, broken, state.span, since=audit.began() if held else None
            ),
            "broken": broken,
            "verified": held is not None,
            "verify_url": state.url(verify="chain"),
            "head": head,
            "actors": actors,
            "verbs": present.verb_choices(verbs, verb_of),
            "first": first + 1,
            "last": first + len(shown),
            "total": total,
            "previous_url": state.url(page=str(state.page - 1)) if state.page > 1 else "",
            "next_url": state.url(page=str(state.page + 1)) if first + len(shown) < total else "",
        }
    return answer(
        request,
        state,
        "dashboards/audit.html",
        context,
        table=present.audit_table(shown, verb_of, whole=bool(state.format)),
        name="audit-log",
    )


urlpatterns = [path("audit-log/", audit_log, name="audit-log")]
