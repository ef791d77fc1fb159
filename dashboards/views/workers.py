"""Workers CPU: which Worker uses how much CPU for a request, and which deployment changed that?"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboards.navigation import NavEntry
from dashboards.pages import answer, stateful
from dashboards.presenters import workers as present
from dashboards.state import PageState, StateError
from finops import clock
from finops.permissions import Capability, require
from ingestion.apis.cloudflare_usage import API
from ingestion.cloudflare.selectors import deployments, worker_facts
from ingestion.core.worker_cpu import Step, cpu_series
from ingestion.usage_detail import first_detailed_day

NAV = NavEntry("Workers CPU", "workers-cpu", 40, Capability.VIEW_RECONCILIATION, shows=(API.id,))
_HOURLY_DAYS = 8
_MOST_DAYS = 100


@require(Capability.VIEW_RECONCILIATION)
@stateful(default_period="7d", billed_days=False)
def workers_cpu(request: HttpRequest, state: PageState) -> HttpResponse:
    """CPU per request of every Worker, by hour; over a week or long ago by day. Raises ``StateError``."""
    if state.window.days > _MOST_DAYS:
        msg = f"This page holds at most {_MOST_DAYS} days, this period has {state.window.days}: choose a shorter one."
        raise StateError(msg)
    has_hours = state.window.start >= first_detailed_day(clock.now())
    step: Step = "hour" if has_hours and state.window.days <= _HOURLY_DAYS else "day"
    series = cpu_series(worker_facts(state.window), step)
    markers = deployments(state.window)
    context: dict[str, Any] = {}
    if not state.format:
        context = {
            "sentence": present.sentence(series, markers, state.span),
            "charts": present.charts(series, markers, step),
            "summary": present.summary_table(series, markers),
            "step": step,
        }
    return answer(
        request,
        state,
        "dashboards/workers.html",
        context,
        table=present.series_table(series, markers, step),
        name="workers-cpu",
    )


urlpatterns = [path("workers-cpu/", workers_cpu, name="workers-cpu")]
