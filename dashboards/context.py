"""What the frame of every page shows: navigation, freshness, the goal."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest
from django.urls import reverse

from dashboards.navigation import NavLink, nav_entries
from finops import clock
from finops.alerting import open_alerts
from finops.permissions import Capability, can
from ingestion.selectors import Freshness, freshness

_FRESHNESS_KEY = "dashboards.frame.freshness"
_ALERTS_KEY = "dashboards.frame.alerts"
_FRESHNESS_SECONDS = 15


def frame(request: HttpRequest) -> dict[str, Any]:
    """Navigation and freshness for signed-in people; nothing, and no query, for anyone else."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    links = [
        NavLink(
            entry.label, reverse(entry.url_name), request.path.startswith(reverse(entry.url_name))
        )
        for entry in nav_entries()
        if can(user, entry.capability)
    ]
    may_reconcile = can(user, Capability.VIEW_RECONCILIATION)
    nav = _with_one_current(links, request.path)
    known = current_freshness()
    return {
        "nav": nav,
        "freshness": known,
        "shown_as_of": _as_of(known, next((link.url for link in nav if link.current), "")),
        "may_reconcile": may_reconcile,
        "open_alerts": _alert_count() if may_reconcile else 0,
        "may_export": can(user, Capability.EXPORT_FIGURES),
    }


def current_freshness() -> Freshness:
    """How fresh the sources are, asked at most every 15 seconds: it stands on every page."""
    known: Freshness | None = cache.get(_FRESHNESS_KEY)
    if known is None:
        known = freshness(clock.now())
        cache.set(_FRESHNESS_KEY, known, _FRESHNESS_SECONDS)
    return known


def _as_of(known: Freshness, url: str) -> datetime | None:
    """How new the figures of the current page are: its sources' newest data, or the bills'."""
    shows = {entry for entry in nav_entries() if entry.shows and reverse(entry.url_name) == url}
    kinds = {kind for entry in shows for kind in entry.shows}
    if not kinds:
        return known.as_of
    return max(
        (one.newest for one in known.sources if one.kind in kinds and one.newest), default=None
    )


def _alert_count() -> int:
    """How many alerts are open, asked at most every 15 seconds."""
    known: int | None = cache.get(_ALERTS_KEY)
    if known is None:
        known = open_alerts().count()
        cache.set(_ALERTS_KEY, known, _FRESHNESS_SECONDS)
    return known


def last_whole_day() -> date | None:
    """The last day whose cost has come whole; none where no bill is loaded."""
    as_of = current_freshness().as_of
    return None if as_of is None else as_of.date() - timedelta(days=1)


def _with_one_current(links: list[NavLink], path: str) -> list[NavLink]:
    """Only the longest matching address is the current page: every address starts with ``/``."""
    best = max(
        (link for link in links if link.current), key=lambda link: len(link.url), default=None
    )
    if best is not None and best.url == "/" and path != "/":
        best = None
    return [NavLink(link.label, link.url, link is best) for link in links]
