"""`/healthz` (the process answers) and `/readyz` (it can work), open to anyone, with no detail to learn."""

from __future__ import annotations

import logging
import secrets
import tempfile
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

logger = logging.getLogger(__name__)


@require_safe
@never_cache
@login_not_required
def healthz(_request: HttpRequest) -> HttpResponse:
    """200 while the process answers; asks nothing of the database."""
    return HttpResponse("ok", content_type="text/plain; charset=utf-8")


@require_safe
@never_cache
@login_not_required
def readyz(_request: HttpRequest) -> JsonResponse:
    """200 when every part answers, otherwise 503 and which part failed; why stands in the log."""
    parts = {name: "ok" if _works(name, probe) else "failed" for name, probe in _probes().items()}
    ready = all(state == "ok" for state in parts.values())
    return JsonResponse(parts, status=200 if ready else 503)


def _probes() -> dict[str, Callable[[], None]]:
    probes = {"database": _probe_database, "lake": _probe_lake}
    if settings.REDIS_URL:
        probes["cache"] = _probe_cache
    return probes


def _works(name: str, probe: Callable[[], None]) -> bool:
    try:
        probe()
    except Exception:
        # Whatever fails here makes the instance unready; the answer must not say more than that.
        logger.exception("Not ready: %s failed.", name)
        return False
    return True


def _probe_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()


def _probe_lake() -> None:
    """Write and delete: permissions, a full disk and a read-only mount all show only then."""
    settings.LAKE_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix=".ready-", dir=settings.LAKE_DIR) as probe:
        probe.write(b"ready\n")
        probe.flush()


def _probe_cache() -> None:
    key, value = f"readyz-{secrets.token_hex(8)}", secrets.token_hex(8)
    cache.set(key, value, timeout=10)
    found = cache.get(key)
    cache.delete(key)
    if found != value:
        msg = "The cache did not give back what was put in."
        raise RuntimeError(msg)
