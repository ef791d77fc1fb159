"""Read an object of a log, or the objects behind a delivery's rejected time stamps, once more; a person asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from finops.job_kinds import JobError, Report, Wanted
from ingestion.core.delivery import SourceError
from ingestion.models import Delivery
from ingestion.rereading import RereadRefusedError, reread_log, reread_stamps
from ingestion.usage_models import LogObject


class ReadAgain:
    """``arguments``: ``object`` (id of a ``LogObject``) or ``delivery`` (id of a ``Delivery``)."""

    id = "read-again"
    title = "Read again"
    max_attempts = 2

    @staticmethod
    def due(now: datetime) -> Iterable[Wanted]:  # noqa: ARG004  # only a person wants it
        """Never by itself."""
        return ()

    @staticmethod
    def run(subject: str, arguments: Mapping[str, Any], report: Report) -> str:
        """Read it. Raises ``JobError`` where it cannot be read."""
        related = "source__connection"
        try:
            if pk := arguments.get("object"):
                row = LogObject.objects.select_related(related).filter(pk=pk).first()
                if row is not None:
                    return reread_log(row, progress=report)
            elif pk := arguments.get("delivery"):
                delivery = Delivery.objects.select_related(related).filter(pk=pk).first()
                if delivery is not None:
                    return reread_stamps(delivery, progress=report)
        except RereadRefusedError as error:
            raise JobError(str(error), final=True) from None
        except SourceError as error:
            raise JobError(str(error)) from None
        msg = f"{subject} is no longer known here."
        raise JobError(msg, final=True)


JOB = ReadAgain()
