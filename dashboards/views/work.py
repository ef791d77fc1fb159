"""Buttons that start, stop and repeat background work; each is a POST that needs its own right."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path
from django.views.decorators.http import require_POST

from finops import doorbell, job_table
from finops.alerting import AlertRefusedError, acknowledge
from finops.core.periods import PeriodError, month_text
from finops.models import Job, User
from finops.permissions import Capability, require
from ingestion.models import Delivery
from ingestion.requests import request_load, request_object, request_stamps
from ingestion.tsa_models import KINDS as STAMP_KINDS
from ingestion.usage_api_models import KIND as USAGE_API
from ingestion.usage_models import LogObject


def _done(request: HttpRequest, act: Callable[[User], str]) -> HttpResponse:
    """Do it, say what came of it, and go back to the page."""
    try:
        messages.success(request, act(cast(User, request.user)))
    except (AlertRefusedError, job_table.JobRefusedError, PeriodError) as error:
        messages.warning(request, str(error))
    return redirect("data-health")


@require_POST
@require(Capability.OPERATE_LOADS)
def load_now(request: HttpRequest, slug: str) -> HttpResponse:
    """Queue a load of everything new in a connection."""

    def act(user: User) -> str:
        job = request_load(slug=slug, by=user)
        return f"Job {job.pk} loads what is new in {slug}."

    return _done(request, act)


@require_POST
@require(Capability.OPERATE_LOADS)
def backfill(request: HttpRequest) -> HttpResponse:
    """Queue a load of a connection's months."""
    slug, since, until = (
        request.POST.get(name, "").strip() for name in ("connection", "since", "until")
    )
    again = request.POST.get("again") == "on"

    def act(user: User) -> str:
        job = request_load(slug=slug, since=since, until=until, again=again, by=user)
        span = " ".join(
            f"{word} {month}" for word, month in (("from", since), ("to", until)) if month
        )
        return f"Job {job.pk} loads {slug} {span or 'from the beginning'}."

    return _done(request, act)


@require_POST
@require(Capability.OPERATE_LOADS)
def delivery_again(request: HttpRequest, delivery_id: int) -> HttpResponse:
    """Queue a new reading of a delivery's month, or of the objects behind its tokens that were put aside."""
    delivery = get_object_or_404(
        Delivery.objects.select_related("source__connection"), pk=delivery_id
    )

    def act(user: User) -> str:
        source, month = delivery.source, delivery.billing_period
        if source.kind in {*STAMP_KINDS, USAGE_API}:
            job = request_stamps(delivery=delivery, by=user)
            return f"Job {job.pk} reads the objects behind {source.slug} {delivery.key} again."
        if source.connection is None or month is None:
            msg = f"{source.slug} has no connection that its bills could be read from again."
            raise job_table.JobRefusedError(msg)
        text = month_text(month)
        job = request_load(slug=source.connection.slug, since=text, until=text, again=True, by=user)
        return f"Job {job.pk} reads {source.slug} {text} again."

    return _done(request, act)


@require_POST
@require(Capability.OPERATE_LOADS)
def object_again(request: HttpRequest, object_id: int) -> HttpResponse:
    """Queue a new reading of one object of a log, lines that were put aside included."""
    row = get_object_or_404(LogObject.objects.select_related("source__connection"), pk=object_id)

    def act(user: User) -> str:
        job = request_object(row=row, by=user)
        return f"Job {job.pk} reads {row.key} again: lines that count already count no second time."

    return _done(request, act)


@require_POST
@require(Capability.OPERATE_LOADS)
def job_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """End a queued job, or ask a running one to stop."""
    get_object_or_404(Job, pk=pk)

    def act(_user: User) -> str:
        job = job_table.cancel(job_id=pk)
        if job.state == Job.State.CANCELLED:
            return f"Job {pk} is cancelled."
        return f"Job {pk} stops at its next step; the ledger stays as it is."

    return _done(request, act)


@require_POST
@require(Capability.OPERATE_LOADS)
def job_retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Do an ended job once more, as a new one."""
    get_object_or_404(Job, pk=pk)

    def act(user: User) -> str:
        job = job_table.retry(job_id=pk, by=user)
        doorbell.ring()
        return f"Job {job.pk} does job {pk} once more."

    return _done(request, act)


@require_POST
@require(Capability.OPERATE_LOADS)
def alert_acknowledge(request: HttpRequest, pk: int) -> HttpResponse:
    """Note that the person has seen an alert."""

    def act(user: User) -> str:
        alert = acknowledge(alert_id=pk, by=user)
        return f"You acknowledged the alert {alert.kind} {alert.subject}; it stays open until it is over."

    return _done(request, act)


urlpatterns = [
    path("data-health/alerts/<int:pk>/acknowledge/", alert_acknowledge, name="alert-acknowledge"),
    path("data-health/connections/<slug:slug>/load/", load_now, name="load-now"),
    path("data-health/backfill/", backfill, name="backfill"),
    path("data-health/deliveries/<int:delivery_id>/again/", delivery_again, name="delivery-again"),
    path("data-health/objects/<int:object_id>/again/", object_again, name="object-again"),
    path("data-health/jobs/<int:pk>/cancel/", job_cancel, name="job-cancel"),
    path("data-health/jobs/<int:pk>/retry/", job_retry, name="job-retry"),
]
