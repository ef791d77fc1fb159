"""Open, resolve and acknowledge alerts; read them."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from finops import clock
from finops.alert_checks import alert_checks
from finops.audit import record
from finops.core.alerts import Changes, Finding, Severity, settle
from finops.logs import cleaned, redact
from finops.models import Alert, User

logger = logging.getLogger(__name__)
_BROKEN = "check-failed"


class AlertRefusedError(Exception):
    """The alert cannot be acknowledged; the message is one sentence."""


def check_all(*, now: datetime | None = None) -> Changes:
    """Ask every check, open what is new, resolve what is over; safe to run twice at once.

    A check that fails stops no other one: its alerts stand, and its failure is an alert itself.
    """
    moment = now or clock.now()
    findings, asked = _ask(moment)
    with transaction.atomic():
        open_now = dict.fromkeys(open_alerts().values_list("kind", "subject"))
        # Nobody asks after the kind of a check that is gone: its alerts are over.
        asked |= {kind for kind, _ in open_now} - set(alert_checks().all())
        changes = settle(open_now, findings, asked=asked)
        for finding in (*changes.opened, *changes.standing):
            _write(finding, moment)
        for kind, subject in changes.over:
            # Who looked later knows better: what it has seen since is not resolved here.
            resolved = open_alerts().filter(kind=kind, subject=subject, last_seen__lte=moment)
            if resolved.update(resolved_at=moment):
                logger.info("alert resolved", extra={"alert": kind, "subject": subject})
    return changes


def _ask(now: datetime) -> tuple[list[Finding], set[str]]:
    findings: list[Finding] = []
    asked = {_BROKEN}
    for kind, check in alert_checks().all().items():
        try:
            # In no transaction: on SQLite it would keep every writer waiting while the checks look.
            found = list(check.findings(now))
        except Exception:
            # One broken check must not hide what the others find.
            logger.exception("check failed", extra={"alert": kind})
            sentence = (
                f"The check {kind!r} ended with an error of the product: its alerts stand as they were. "
                "The log has the rest."
            )
            findings.append(Finding(_BROKEN, kind, Severity.WARNING, sentence))
            continue
        findings += found
        asked.add(kind)
    return findings, asked


def _write(finding: Finding, now: datetime) -> None:
    values = {
        "severity": finding.severity.value,
        "sentence": redact(finding.sentence),
        "evidence": cleaned(finding.evidence),
    }
    known = Alert.objects.filter(kind=finding.kind, subject=finding.subject)
    standing = known.filter(resolved_at__isnull=True)
    if standing.filter(last_seen__lte=now).update(last_seen=now, **values) or standing.exists():
        return
    if known.filter(resolved_at__gt=now).exists():
        return  # somebody looked later, and it was over by then
    try:
        with transaction.atomic():
            Alert.objects.create(
                kind=finding.kind, subject=finding.subject, first_seen=now, last_seen=now, **values
            )
    except IntegrityError:  # another checker was quicker, and has said so
        return
    logger.warning(
        "alert opened",
        extra={"alert": finding.kind, "subject": finding.subject, "reason": finding.sentence},
    )


def acknowledge(*, alert_id: int, by: User, reason: str = "") -> Alert:
    """Note that ``by`` has seen an open alert, with a ``reason`` for the audit log; it stays open.

    Twice changes nothing. Raises ``AlertRefusedError`` where it is over or was never there.
    """
    with transaction.atomic():
        alert = Alert.objects.select_for_update().filter(pk=alert_id).first()
        if alert is None or alert.resolved_at is not None:
            msg = "This alert is over already: there is nothing to acknowledge."
            raise AlertRefusedError(msg)
        if alert.acknowledged_at is None:
            alert.acknowledged_by, alert.acknowledged_at = by, clock.now()
            alert.save(update_fields=["acknowledged_by", "acknowledged_at"])
            record(
                actor=by,
                verb="alert.acknowledge",
                target=f"alert {alert.kind} {alert.subject}",
                after={"sentence": alert.sentence},
                reason=reason,
            )
    return alert


def open_alerts() -> QuerySet[Alert]:
    """Alerts that are not resolved, what matters most first (``danger`` before ``warning``), then the oldest."""
    return Alert.objects.filter(resolved_at__isnull=True).order_by("severity", "first_seen", "id")


def recent_alerts(now: datetime, *, limit: int = 50) -> list[Alert]:
    """Open alerts, then those that were resolved within a week, newest first."""
    open_now = list(open_alerts().select_related("acknowledged_by")[:limit])
    over = Alert.objects.filter(resolved_at__gte=now - timedelta(days=7))
    rest = max(limit - len(open_now), 0)
    return [
        *open_now,
        *over.select_related("acknowledged_by").order_by("-resolved_at", "-id")[:rest],
    ]
