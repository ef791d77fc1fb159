"""Whose a time-stamp response is: by its key, by a list of prefixes, or by a file beside it. Pure.

The file beside ``…/x.tsr`` is ``…/x.tsr.json``, for example ``{"tenant": "acme"}``. It says more than the
key, and a listed prefix more than a part of the key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from finops.core.slugs import slug_of
from ingestion.core.tsa import MAX_ACCOUNT, RefusedError, is_slug

SIDECAR = ".json"
MAX_SIDECAR_BYTES = 4 << 10
SETTINGS = ("tenant_part", "tenants", "account")
_MOST_PARTS = 50


class RulesError(ValueError):
    """Settings of a connection that say nothing usable; the message is one sentence."""


@dataclass(frozen=True)
class TenantRules:
    """``part`` of the key, from 1, names the tenant (0: none does); ``prefixes`` go before, longest first.

    ``account`` is the account at the TSA of everything at the place.
    """

    part: int = 1
    prefixes: tuple[tuple[str, str], ...] = ()
    account: str = ""


@dataclass(frozen=True)
class Sidecar:
    """What a file beside a response says of it; ``at`` is when a rejection was answered."""

    tenant: str = ""
    at: datetime | None = None


def rules_of(settings: Mapping[str, object]) -> TenantRules:
    """The rules in a connection's settings. Raises ``RulesError``."""
    unknown = sorted(set(settings) - set(SETTINGS))
    if unknown:
        msg = f"There is no setting {unknown[0]}: known are {', '.join(SETTINGS)}."
        raise RulesError(msg)
    part = settings.get("tenant_part", 1)
    if isinstance(part, bool) or not isinstance(part, int) or not 0 <= part <= _MOST_PARTS:
        msg = (
            "tenant_part must be a whole number: 1 where acme/2026/x.tsr is Acme's, 0 where no part "
            "of a key names a tenant."
        )
        raise RulesError(msg)
    named = settings.get("tenants", {})
    if not isinstance(named, Mapping) or not all(
        isinstance(key, str) and key and isinstance(slug, str) and is_slug(slug)
        for key, slug in named.items()
    ):
        msg = 'tenants must map prefixes of keys to slugs, as {"customer-17/": "acme"}.'
        raise RulesError(msg)
    account = settings.get("account", "")
    if not isinstance(account, str) or len(account) > MAX_ACCOUNT or not account.isprintable():
        msg = f"account must be text of at most {MAX_ACCOUNT} characters."
        raise RulesError(msg)
    prefixes = sorted(named.items(), key=lambda pair: (-len(pair[0]), pair[0]))
    return TenantRules(part, tuple((str(key), str(slug)) for key, slug in prefixes), account)


def tenant_of(key: str, rules: TenantRules) -> str:
    """The slug that the key names; empty where it names none."""
    for prefix, slug in rules.prefixes:
        if key.startswith(prefix):
            return slug
    folders = key.split("/")[:-1]
    if not 1 <= rules.part <= len(folders):
        return ""
    return slug_of(folders[rules.part - 1])


def read_sidecar(content: bytes) -> Sidecar:
    """What a file beside a response says. Raises ``RefusedError`` with a clause."""
    if len(content) > MAX_SIDECAR_BYTES:
        msg = f"it is larger than {MAX_SIDECAR_BYTES >> 10} kB"
        raise RefusedError(msg)
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        msg = "it is not JSON"
        raise RefusedError(msg) from None
    if not isinstance(found, dict) or set(found) - {"tenant", "at"}:
        msg = 'it must be an object with tenant and, if need be, at: {"tenant": "acme"}'
        raise RefusedError(msg)
    tenant = found.get("tenant", "")
    if not isinstance(tenant, str) or (tenant and not is_slug(tenant)):
        msg = "its tenant is no slug of lower-case letters, digits and hyphens"
        raise RefusedError(msg)
    return Sidecar(tenant, _moment(found.get("at")))


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        if not isinstance(value, str):
            raise ValueError
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        msg = "its at is no moment with an offset, as 2026-04-30T13:07:21Z"
        raise RefusedError(msg) from None
