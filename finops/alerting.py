"""Open, resolve and acknowledge alerts; read them."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Prefetch, QuerySet, prefetch_related_objects

from finops import clock
from finops.alert_checks import alert_checks
from finops.audit import record
from finops.core.alerts import Changes, Finding, Severity, asks_again, settle
from finops.core.amounts import plain
from finops.logs import cleaned, redact
from finops.models import Alert, AlertAcknowledgement, User

logger = logging.getLogger(__name__)
_BROKEN = "check-failed"
_LONGEST_ABOUT, _LONGEST_REASON, _LONGEST_TARGET = 300, 500, 200


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
        "about": redact(finding.about)[:_LONGEST_ABOUT],
        "size": plain(finding.size),
    }
    known = Alert.objects.filter(kind=finding.kind, subject=finding.subject)
    standing = known.filter(resolved_at__isnull=True)
    if alert := standing.filter(last_seen__lte=now).select_for_update().first():
        alert.last_seen = now
        for name, value in values.items():
            setattr(alert, name, value)
        if alert.acknowledged_at is not None:
            _ask_again(alert, finding, now)
        alert.save()
        return
    if standing.exists() or known.filter(resolved_at__gt=now).exists():
        return  # somebody looked later, and knows better
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


def _ask_again(alert: Alert, finding: Finding, now: datetime) -> None:
    """End the acknowledgement of ``alert``, not saved yet, where it does not hold for what it states now."""
    held = alert.acknowledgements.filter(lapsed_at__isnull=True).select_for_update().first()
    if held is None:  # acknowledged when it was not noted what
        held = AlertAcknowledgement(
            alert=alert,
            by=alert.acknowledged_by,
            at=alert.acknowledged_at or now,
            severity=alert.severity,
            sentence="",
        )
        why = "what was acknowledged was not noted"
    else:
        why = asks_again(held.matter, alert.matter, growth=finding.growth)
    if not why:
        return
    held.lapsed_at, held.lapsed_because = now, why
    held.save()
    alert.acknowledged_by = alert.acknowledged_at = None
    record(
        actor=None,
        verb="alert.ask_again",
        target=_target(alert),
        before={"sentence": held.sentence, "acknowledged_by": _name(held.by)},
        after={"sentence": alert.sentence},
        reason=f"The alert asks again: {why}.",
    )
    logger.warning(
        "alert asks again", extra={"alert": alert.kind, "subject": alert.subject, "reason": why}
    )


def _name(user: User | None) -> str:
    return user.get_username() if user else ""


def _target(alert: Alert) -> str:
    return f"alert {alert.kind} {alert.subject}"[:_LONGEST_TARGET]


def acknowledge(*, alert_id: int, by: User, reason: str = "") -> Alert:
    """Note that ``by`` has seen an open alert as it is now, with a ``reason`` for the audit log; it stays open.

    It holds for what the alert states: one that grows or is about something else asks again. Twice changes nothing.
    Raises ``AlertRefusedError`` where it is over or was never there.
    """
    with transaction.atomic():
        alert = Alert.objects.select_for_update().filter(pk=alert_id).first()
        if alert is None or alert.resolved_at is not None:
            msg = "This alert is over already: there is nothing to acknowledge."
            raise AlertRefusedError(msg)
        if alert.acknowledged_at is None:
            alert.acknowledged_by, alert.acknowledged_at = by, clock.now()
            alert.save(update_fields=["acknowledged_by", "acknowledged_at"])
            AlertAcknowledgement.objects.create(
                alert=alert,
                by=by,
                at=alert.acknowledged_at,
                reason=redact(reason.strip())[:_LONGEST_REASON],
                severity=alert.severity,
                sentence=alert.sentence,
                about=alert.about,
                size=alert.size,
            )
            record(
                actor=by,
                verb="alert.acknowledge",
                target=_target(alert),
                after={"sentence": alert.sentence},
                reason=reason,
            )
    return alert


def open_alerts() -> QuerySet[Alert]:
    """Alerts that are not resolved, what matters most first (``danger`` before ``warning``), then the oldest."""
    return Alert.objects.filter(resolved_at__isnull=True).order_by("severity", "first_seen", "id")


def recent_alerts(now: datetime, *, limit: int = 50) -> list[Alert]:
    """Open alerts, then those that were resolved within a week, newest first; each with its acknowledgements."""
    open_now = list(open_alerts().select_related("acknowledged_by")[:limit])
    over = Alert.objects.filter(resolved_at__gte=now - timedelta(days=7))
    rest = max(limit - len(open_now), 0)
    found = [
        *open_now,
        *over.select_related("acknowledged_by").order_by("-resolved_at", "-id")[:rest],
    ]
    history = AlertAcknowledgement.objects.select_related("by")
    prefetch_related_objects(found, Prefetch("acknowledgements", history))
    return found
