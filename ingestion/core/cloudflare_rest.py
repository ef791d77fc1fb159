"""Answers of Cloudflare's REST API: deployments of a Worker, billable usage. Pure.

Source: developers.cloudflare.com/api (Workers deployments; billing usage, alpha).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from ingestion.core.cloudflare_errors import Refusal, Trouble, refusal_of_errors, short
from ingestion.core.cloudflare_graphql import AnswerError, Aside

MOST_AHEAD = timedelta(days=1)
"""How far in the future a deployment may lie before its time is taken for wrong."""


@dataclass(frozen=True)
class Deployment:
    """One deployment of a Worker; ``versions`` are id and percentage, as the API writes them."""

    account: str
    script: str
    deployment_id: str
    created_at: datetime
    source: str
    message: str
    versions: tuple[tuple[str, str], ...]


def deployments_path(account: str, script: str) -> str:
    """The path of a script's deployments below the API's base."""
    return f"/accounts/{account}/workers/scripts/{quote(script, safe='')}/deployments"


def billable_usage_paths(account: str) -> tuple[str, str]:
    """The paths of the billable usage below the API's base: version 2 (restricted), then version 1."""
    return f"/accounts/{account}/billable/usage", f"/accounts/{account}/billable-usage"


def result_of(body: object) -> Any:
    """The ``result`` of the envelope. Raises ``AnswerError`` where it reports no success."""
    if not isinstance(body, Mapping):
        raise AnswerError(Refusal(Trouble.OTHER, "the answer is no JSON object"))
    if body.get("success") is not True:
        errors = body.get("errors")
        raise AnswerError(refusal_of_errors(errors if isinstance(errors, list) else []))
    return body.get("result")


def read_deployments(
    body: object, *, account: str, script: str, now: datetime
) -> tuple[tuple[Deployment, ...], tuple[Aside, ...]]:
    """The deployments of one script, and those that cannot be read. Raises ``AnswerError``."""
    result = result_of(body)
    listed = result.get("deployments") if isinstance(result, Mapping) else None
    if not isinstance(listed, list):
        raise AnswerError(Refusal(Trouble.SCHEMA, "the answer holds no list of deployments"))
    found, asides = [], []
    for number, entry in enumerate(listed, start=1):
        try:
            found.append(_deployment(entry, account, script, now))
        except ValueError as error:
            asides.append(Aside(f"deployments of {short(script)} row {number}", f"{error}"))
    return tuple(found), tuple(asides)


def _deployment(entry: object, account: str, script: str, now: datetime) -> Deployment:
    if not isinstance(entry, Mapping):
        msg = "it is no object"
        raise ValueError(msg)
    identity = entry.get("id")
    if not (isinstance(identity, str) and 0 < len(identity) <= 36):
        msg = "it has no id"
        raise ValueError(msg)
    created = _moment(entry.get("created_on"))
    if created > now + MOST_AHEAD:
        msg = f"its time {created:%Y-%m-%d %H:%M} lies in the future"
        raise ValueError(msg)
    annotations = entry.get("annotations")
    message = annotations.get("workers/message") if isinstance(annotations, Mapping) else ""
    return Deployment(
        account,
        script,
        identity,
        created,
        short(str(entry.get("source") or ""))[:40],
        short(str(message or "")),
        tuple(_versions(entry.get("versions"))),
    )


def _moment(text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        msg = "its created_on is no time"
        raise ValueError(msg) from None


def _versions(listed: object) -> list[tuple[str, str]]:
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        return []
    return [
        (str(each.get("version_id", ""))[:36], str(each.get("percentage", ""))[:12])
        for each in listed
        if isinstance(each, Mapping)
    ]
