"""Data health: has everything come, what is under way, and what did newer deliveries change?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.views.decorators.http import require_safe

from allocation.restatements import restatement, restatements
from allocation.selectors import reconciliation
from allocation.source_days import source_days
from dashboards.context import current_freshness
from dashboards.navigation import NavEntry
from dashboards.pages import answer, stateful
from dashboards.presenters import health as present
from dashboards.presenters import logs, work
from dashboards.presenters import restatements as restated
from dashboards.presenters.alerts import alerts_sentence, alerts_table
from dashboards.presenters.estimates import errors_sentence, errors_table
from dashboards.presenters.sources import sources_table
from dashboards.presenters.usage import billable_table, checks_table, r2_table
from dashboards.state import PageState
from dashboards.tables import Table
from finops import clock
from finops.alerting import recent_alerts
from finops.core.periods import Window, month_start, month_text
from finops.job_views import JobRow, active_subjects, recent_jobs
from finops.permissions import Capability, Person, can, require
from ingestion.cloudflare.billable import billable_beside_analytics, billable_not_compared
from ingestion.cloudflare.selectors import newest_checks, r2_facts
from ingestion.core.r2 import bucket_usage
from ingestion.estimate_selectors import last_estimate, meter_errors
from ingestion.log_selectors import (
    cache_by_zone,
    caches_before,
    log_health,
    put_aside,
    put_aside_count,
)
from ingestion.models import Delivery
from ingestion.selectors import connections, deliveries, line_types, rejected_rows, shared_bills

NAV = NavEntry("Data health", "data-health", 60, Capability.VIEW_RECONCILIATION)
_GRID_DAYS = 31
_SHOWN_JOBS = 10
_SHOWN_RESTATEMENTS = 20
_SHOWN_REJECTS = 500
_EXPORTED_REJECTS = 1_000_000
_EXPORTED_LINES = 100_000


@require(Capability.VIEW_RECONCILIATION)
@stateful(default_period="mtd")
def data_health(request: HttpRequest, state: PageState) -> HttpResponse:
    """Sources by days, work under way, deliveries, restatements."""
    found = deliveries()
    now = clock.now()
    jobs = [] if state.format else recent_jobs(now, limit=_SHOWN_JOBS)
    table = present.deliveries_table(
        found,
        rejects_url=lambda pk: reverse("delivery-rejects", args=[pk]),
        again_url=_url("delivery-again") if _may_operate(request.user) else None,
        then_url=_then_url,
        running={
            job.subject: job for job in jobs if job.kind == "collect" and job.state == "running"
        },
    )
    context: dict[str, Any] = {}
    if not state.format:
        window = Window(
            state.today - timedelta(days=_GRID_DAYS - 1), state.today + timedelta(days=1)
        )
        last_week = Window(state.today - timedelta(days=6), state.today + timedelta(days=1))
        grid = present.grid(source_days(window, now), list(window.each_day()))
        last_days = Window(now.date() - timedelta(days=_GRID_DAYS), now.date())
        usage_checks = newest_checks()
        freshness = current_freshness()
        changed = restatements(limit=_SHOWN_RESTATEMENTS)
        totals = reconciliation()
        alerts = recent_alerts(now)
        context = {
            "sentence": present.sentence(
                freshness,
                grid,
                jobs,
                sum(delivery.state == "rejected" for delivery in found),
                sum(bool(row.difference) for row in totals),
            ),
            "alert": alerts_sentence(alerts),
            "alerts_open": sum(one.resolved_at is None for one in alerts),
            "alerts": alerts_table(
                alerts,
                acknowledge_url=_url("alert-acknowledge") if _may_operate(request.user) else None,
            ),
            "grid": grid,
            "sources": freshness.sources,
            "sources_table": sources_table(freshness.sources),
            "totals": totals,
            "apart": [row for row in totals if row.difference],
            "newest_restated": restated.restated_sentence(changed[0]) if changed else "",
            "restatements": restated.restatements_table(changed, _url("restatement")),
            "shared_bills": shared_bills(),
            "usage_checks": checks_table(usage_checks),
            "r2_usage": _r2(now.date()),
            "billable": billable_table(billable_beside_analytics(last_days)),
            "not_compared": billable_not_compared(last_days) if usage_checks else (),
            "types": (types := line_types()),
            "line_types": present.line_types_table(types),
            "logs": logs.logs_table(known_logs) if (known_logs := log_health()) else None,
            "cache": logs.cache_table(caches := cache_by_zone(last_week)),
            "caches_before": logs.caches_before_table(said)
            if (said := caches_before(last_week))
            else None,
            "cache_changes": next((one.changes for one in caches.values()), ()),
            "meter_errors": errors_table(errors := meter_errors(None)),
            "estimates_sentence": errors_sentence(errors),
            "last_estimate": last_estimate(),
            "put_aside": (aside := put_aside_count()),
        } | _work(request.user, jobs)
        context["parts"] = _parts(context, found, aside)
    return answer(
        request,
        state,
        "dashboards/health.html",
        context,
        table=table,
        name="deliveries",
        span=f"{state.today}",
    )


def _parts(context: Mapping[str, Any], found: Sequence[Delivery], aside: int) -> list[present.Part]:
    """The table of contents: what wants a look in each part of the page, or how much is in it."""
    part = present.part
    late = sum(source.is_late for source in context["sources"])
    differ, totals = len(context["apart"]), len(context["totals"])
    problems = sum(bool(one.problem) and one.is_active for one in context["known_connections"])
    unknown = sum(not row.known for row in context["types"])
    refused = sum(one.state == Delivery.State.REJECTED for one in found)
    return [
        part("alerts", "Alerts", context["alerts_open"], "open", otherwise="none open"),
        part(
            "sources",
            "Sources",
            late,
            "late",
            otherwise=f"{sum(source.fresh for source in context['sources'])} fresh",
        ),
        part("days", "Days", context["grid"].wrong_days, "late or missing", otherwise="all there"),
        part(
            "connections",
            "Connections",
            problems,
            "with a problem",
            otherwise=str(len(context["known_connections"])),
        ),
        present.Part("jobs", "Background work", f"{context['under_way']} under way"),
        *(
            [present.Part("usage", "Usage by API", str(len(context["usage_checks"].rows)))]
            if context["usage_checks"].rows
            else []
        ),
        *(
            [part("logs", "Logs", aside, "put aside", otherwise="none put aside")]
            if context["logs"]
            else []
        ),
        part("reconciled", "Reconciliation", differ, "differ", otherwise=f"{totals} agree"),
        present.Part("restatements", "Restatements", str(len(context["restatements"].rows))),
        part("deliveries", "Deliveries", refused, "refused", otherwise=f"{len(found)} shown"),
        part("types", "Line types", unknown, "unknown", otherwise=str(len(context["types"]))),
    ]


def _r2(today: date) -> Table:
    month = Window(month_start(today), today + timedelta(days=1))
    return r2_table(bucket_usage(r2_facts(month)), month_text(month.start))


def _may_operate(user: Person) -> bool:
    return can(user, Capability.OPERATE_LOADS)


def _url(name: str) -> Any:
    return lambda key: reverse(name, args=[key])


def _then_url(delivery: Delivery) -> str:
    """The tenants' figures of its month, as they were known when it was current."""
    load = [load for load in delivery.loads.all() if load.committed_at][-1]
    period = month_text(load.billing_period)
    # To the second: the moment after it became visible, which no other delivery can share.
    moment = (load.committed_at + timedelta(seconds=1)) if load.committed_at else clock.now()
    return f"{reverse('tenants')}?period={period}&as_of={moment:%Y-%m-%dT%H:%M:%S}"


def _work(user: Person, jobs: list[JobRow]) -> dict[str, Any]:
    operate = _may_operate(user)
    return {
        "may_operate": operate,
        "connections": work.connections_table(
            known := connections(),
            loading=active_subjects("collect"),
            load_url=_url("load-now") if operate else None,
        ),
        "known_connections": known,
        "connection_slugs": [connection.slug for connection in known],
        "jobs": work.jobs_table(
            jobs,
            cancel_url=_url("job-cancel") if operate else None,
            retry_url=_url("job-retry") if operate else None,
        ),
        "under_way": sum(job.is_active for job in jobs),
    }


@require_safe
@require(Capability.VIEW_RECONCILIATION)
def work_part(request: HttpRequest) -> HttpResponse:
    """Connections and jobs alone: what the page asks for while something is under way."""
    context = _work(request.user, recent_jobs(clock.now(), limit=_SHOWN_JOBS))
    context["ended"] = not context["under_way"]
    return render(request, "dashboards/_work.html", context)


@require(Capability.VIEW_RECONCILIATION)
@stateful(default_period="mtd")
def restatement_page(request: HttpRequest, state: PageState, pk: int) -> HttpResponse:
    """What one restatement changed, by tenant and category."""
    row = restatement(pk)
    if row is None:
        msg = f"There is no restatement {pk}."
        raise Http404(msg)
    return answer(
        request,
        state,
        "dashboards/restatement.html",
        {"restated": row, "sentence": restated.restated_sentence(row)},
        table=restated.restated_table(row),
        name=f"restatement-{pk}",
        span=month_text(row.billing_period),
    )


@require(Capability.VIEW_RECONCILIATION)
@stateful(default_period="mtd")
def delivery_rejects(request: HttpRequest, state: PageState, delivery_id: int) -> HttpResponse:
    """The rows of one delivery that were put aside, each with its reason."""
    delivery = get_object_or_404(
        Delivery.objects.select_related("source__connection"), pk=delivery_id
    )
    limit = _EXPORTED_REJECTS if state.format else _SHOWN_REJECTS
    rows = rejected_rows(delivery_id, limit)
    context: dict[str, Any] = {
        "delivery": delivery,
        "shown": len(rows),
        "may_be_more": len(rows) == limit,
    }
    if _may_operate(request.user):
        url = reverse("delivery-again", args=[delivery_id])
        context["actions"] = [present.again_action(delivery, url)]
    return answer(
        request,
        state,
        "dashboards/rejects.html",
        context,
        table=present.rejects_table(rows, delivery),
        name=f"delivery-{delivery_id}-rejects",
        span="all-rows",
    )


@require(Capability.VIEW_RECONCILIATION)
@stateful(default_period="mtd")
def logs_put_aside(request: HttpRequest, state: PageState) -> HttpResponse:
    """Objects and lines of logs that were put aside, each with its reason; objects can be read again."""
    limit = _EXPORTED_LINES if state.format else _SHOWN_REJECTS
    rows = put_aside(limit)
    again = _url("object-again") if _may_operate(request.user) and not state.format else None
    return answer(
        request,
        state,
        "dashboards/put_aside.html",
        {"total": put_aside_count(), "shown": len(rows), "may_operate": again is not None},
        table=logs.put_aside_table(rows, again),
        name="logs-put-aside",
        span=f"{state.today}",
    )


urlpatterns = [
    path("data-health/", data_health, name="data-health"),
    path("data-health/put-aside/", logs_put_aside, name="logs-put-aside"),
    path("data-health/work/", work_part, name="work-part"),
    path("data-health/restatements/<int:pk>/", restatement_page, name="restatement"),
    path(
        "data-health/deliveries/<int:delivery_id>/rejects/",
        delivery_rejects,
        name="delivery-rejects",
    ),
]
