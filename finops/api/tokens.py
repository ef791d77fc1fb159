"""Issue, revoke and use tokens of the API."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Q

from finops.api.models import ApiToken, TokenName
from finops.core import tokens as core
from finops.models import User
from finops.permissions import Capability, can

logger = logging.getLogger(__name__)

USE_IS_NOTED_EVERY = timedelta(minutes=1)
_NOTE_WAITS_MS = 200
LONGEST_NAME = 60


class TokenError(ValueError):
    """A token that cannot be issued or found; the message is one sentence."""


def scope_of(capability: Capability) -> str:
    """The scope that stands for ``capability``: its permission without the app."""
    return capability.value.partition(".")[2]


NO_SCOPES = frozenset({Capability.ENTER_ADMIN, Capability.CLOSE_MONTH, Capability.VIEW_AUDIT})
"""Capabilities of people only: there is no admin behind a token, and a person closes a month."""

SCOPES: dict[str, Capability] = {
    scope_of(capability): capability for capability in Capability if capability not in NO_SCOPES
}
"""Every scope with the capability that it stands for."""


def issue_token(
    *,
    name: str,
    owner: User,
    scopes: Iterable[str],
    expires_at: datetime,
    now: datetime,
    created_by: User | None = None,
) -> tuple[ApiToken, str]:
    """A new token, and its text, which is never known again.

    Raises ``TokenError`` for a name that cannot be or is another owner's, for scopes that do not exist or that
    the owner does not hold, and for an expiry in the past or beyond ``API_TOKEN_MAX_DAYS``.
    """
    wanted = sorted(set(scopes))
    check_token(name=name, owner=owner, scopes=wanted, expires_at=expires_at, now=now)
    secret = secrets.token_urlsafe(core.SECRET_BYTES)
    with transaction.atomic():
        held, _ = TokenName.objects.get_or_create(name=name, defaults={"owner": owner})
        if held.owner_id != owner.pk:  # somebody took it since it was checked
            raise TokenError(_taken(name))
        token = ApiToken.objects.create(
            token_id=secrets.token_hex(core.ID_BYTES),
            secret_hash=core.secret_hash(secret),
            name=name,
            owner=owner,
            scopes=wanted,
            expires_at=expires_at,
            created_by=created_by,
            created_at=now,
        )
    logger.info(
        "API key issued", extra={"key_id": token.token_id, "owner": owner.username, "may": wanted}
    )
    return token, core.write_token(token.token_id, secret)


def check_token(
    *, name: str, owner: User, scopes: list[str], expires_at: datetime, now: datetime
) -> None:
    """Raise ``TokenError`` where such a token may not be issued."""
    fits = name.strip() and len(name) <= LONGEST_NAME and name.isprintable()
    if not fits or core.holds_token(name):
        msg = (
            f"A token's name has 1 to {LONGEST_NAME} printable characters and holds no token: "
            "say what uses it, for example billing-robot."
        )
        raise TokenError(msg)
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        what = f"There is no scope {unknown[0]!r}" if unknown else "A token needs a scope"
        msg = f"{what}: choose from {', '.join(SCOPES)}."
        raise TokenError(msg)
    lacking = [scope for scope in scopes if not can(owner, SCOPES[scope])]
    if lacking:
        msg = (
            f"{owner.username} may not {', '.join(lacking)}, so a token of theirs may not either: "
            "leave it out, or give the owner the group first."
        )
        raise TokenError(msg)
    longest = settings.API_TOKEN_MAX_DAYS
    if not now < expires_at <= now + timedelta(days=longest):
        msg = f"A token ends after now and within {longest} days (API_TOKEN_MAX_DAYS): choose another day."
        raise TokenError(msg)
    if TokenName.objects.filter(name=name).exclude(owner=owner).exists():
        raise TokenError(_taken(name))


def _taken(name: str) -> str:
    return f"{name!r} is the name of another owner's token: choose another name."


def revoke_token(*, token_id: str, now: datetime) -> ApiToken:
    """Refuse the token from now on; revoking twice keeps the first time. Raises ``TokenError``."""
    token = ApiToken.objects.filter(token_id=token_id).first()
    if token is None:
        msg = f"There is no token {token_id!r}: `manage.py api_token list` shows them."
        raise TokenError(msg)
    if ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=now):
        logger.info("API key revoked", extra={"key_id": token.token_id})
    token.refresh_from_db()
    return token


def note_use(token: ApiToken, now: datetime) -> None:
    """Keep when the token was last used; at most one write a minute.

    A database that somebody else writes to, or that takes no writes, does not stop the request.
    """
    before = now - USE_IS_NOTED_EVERY
    if token.last_used_at is not None and token.last_used_at > before:
        return
    try:
        with _short_wait(), transaction.atomic():
            ApiToken.objects.filter(
                Q(last_used_at__isnull=True) | Q(last_used_at__lte=before), pk=token.pk
            ).update(last_used_at=now)
    except DatabaseError:
        logger.warning("Use of an API key was not noted", extra={"key_id": token.token_id})


@contextmanager
def _short_wait() -> Iterator[None]:
    """On SQLite a writer waits for another as long as a load takes; nobody who reads waits that long."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        usual = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        cursor.execute(f"PRAGMA busy_timeout = {_NOTE_WAITS_MS}")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {usual}")
