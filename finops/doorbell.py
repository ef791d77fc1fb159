"""Tell a worker that there is something to do; without a broker the runner sees it within a second."""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import transaction

logger = logging.getLogger(__name__)


def ring() -> None:
    """Ring once what was written is visible. A broker that is down only costs time: beat rings again."""
    if settings.REDIS_URL:
        transaction.on_commit(_ring)


def _ring() -> None:
    from kombu.exceptions import OperationalError  # noqa: PLC0415  # only where there is a broker

    from finops.tasks import work_off  # noqa: PLC0415

    try:
        work_off.apply_async(retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("the broker does not answer", extra={"reason": str(error)})
