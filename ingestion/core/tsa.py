"""Time-stamp tokens as they are counted: one response of a TSA (RFC 3161), identified by its SHA-256. Pure.

A client says what it got, record by record (REST, NDJSON); ``ingestion.core.tsr`` reads the responses
themselves. Both give ``TokenRecord``, so that one response counts once however it comes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from hashlib import blake2b

from finops.core.slugs import MAX_SLUG, slug_of
from finops.core.tokens import holds_token
from ingestion.core.usage_records import RefusedRecord, refuse

AHEAD = timedelta(minutes=10)
"""How far a TSA's clock may run ahead of ours."""
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""RFC 3161 is of August 2001: an earlier time is no time of a token."""
MAX_ACCOUNT = 100
MAX_ASSETS = 10**12

TOKEN_FIELDS = ("sha256", "at", "status", "tenant", "account", "hash_algorithm", "digest")
ASSET_FIELDS = ("tenant", "day", "assets")

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_MOMENT = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})", re.ASCII
)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_ALGORITHM = re.compile(r"[A-Za-z0-9./_-]{1,40}")
_DIGEST = re.compile(r"[0-9a-fA-F]{32,256}")
_KEY_BYTES = 16


class Status(IntEnum):
    """PKIStatus. Source: RFC 3161, 2.4.2."""

    GRANTED = 0
    GRANTED_WITH_MODS = 1
    REJECTION = 2
    WAITING = 3
    REVOCATION_WARNING = 4
    REVOCATION_NOTIFICATION = 5

    @property
    def has_token(self) -> bool:
        """Only these two come with a token, and only they count as one."""
        return self in {Status.GRANTED, Status.GRANTED_WITH_MODS}


STATUS_NAMES: dict[str, Status] = {
    "granted": Status.GRANTED,
    "grantedWithMods": Status.GRANTED_WITH_MODS,
    "rejection": Status.REJECTION,
    "waiting": Status.WAITING,
    "revocationWarning": Status.REVOCATION_WARNING,
    "revocationNotification": Status.REVOCATION_NOTIFICATION,
}
"""As RFC 3161 spells them."""


FAILURES: dict[int, tuple[str, str]] = {
    0: ("badAlg", "the algorithm is not supported"),
    2: ("badRequest", "the kind of request is not permitted"),
    5: ("badDataFormat", "the request has the wrong format"),
    14: ("timeNotAvailable", "the TSA's clock was not available"),
    15: ("unacceptedPolicy", "the policy is not supported"),
    16: ("unacceptedExtension", "the extension is not supported"),
    17: ("addInfoNotAvailable", "additional information is not available"),
    25: ("systemFailure", "the TSA's system failed"),
}
"""Bit of PKIFailureInfo → its name, and what it says. Source: RFC 3161, 2.4.2."""


@dataclass(frozen=True)
class TokenRecord:
    """One response. ``identity`` is 32 bytes, ``at`` its genTime (UTC), or when a rejection was answered.

    ``tenant`` is a slug, empty where nobody is known; ``account`` is the account at the TSA, empty where
    there is one only. ``digest`` (bytes) under ``hash_algorithm`` is the message imprint, empty where it
    is not told. ``serial`` is the token's serial number (its bytes, the highest first) and ``policy`` its dotted
    identifier, ``failure`` the bit of PKIFailureInfo that a rejection bears; only a response itself tells them.
    ``index`` and ``place`` say where it was read.
    """

    identity: bytes
    at: datetime
    status: Status = Status.GRANTED
    tenant: str = ""
    account: str = ""
    hash_algorithm: str = ""
    digest: bytes = field(default=b"", repr=False)
    serial: bytes = b""
    policy: str = ""
    failure: int | None = None
    index: int = 0
    place: str = ""

    @property
    def hour(self) -> datetime:
        """Start of its hour."""
        return self.at.replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True)
class AssetsRecord:
    """How many assets a tenant keeps from ``day`` on, until a later day says otherwise."""

    tenant: str
    day: date
    assets: int
    index: int = 0


@dataclass(frozen=True)
class Aside:
    """What was put aside: the object or record, its line (0: all of it), why, and what may be shown of it."""

    place: str
    reason: str
    line: int = 0
    text: str = ""


@dataclass(frozen=True)
class TokenBatch:
    """A piece of what a place holds. ``objects`` are the names of those that are read with it to their end;
    ``later`` says of others why they are left to the next look."""

    tokens: tuple[TokenRecord, ...] = ()
    assets: tuple[AssetsRecord, ...] = ()
    asides: tuple[Aside, ...] = ()
    objects: tuple[bytes, ...] = ()
    bytes: int = 0
    later: tuple[str, ...] = ()


class RefusedError(Exception):
    """Why a record cannot be taken: one sentence."""


def digest_key(tenant: str, hash_algorithm: str, digest: bytes) -> bytes | None:
    """What two tokens share where a tenant had the same digest stamped twice; ``None`` without a digest."""
    if not digest:
        return None
    head = f"{tenant}\n{hash_algorithm}\n".encode()
    return blake2b(head + digest, digest_size=_KEY_BYTES).digest()


def read_tokens(
    items: Sequence[object], *, now: datetime, tenants: Collection[str] | None
) -> tuple[list[TokenRecord], list[RefusedRecord]]:
    """Read ``items`` as a client sends them; one that cannot be read never stops the others.

    ``tenants`` are the slugs that the sender may name, each record then naming one; ``None`` is any, or none.
    """
    taken, refused = [], []
    for index, item in enumerate(items):
        try:
            taken.append(token_of(item, index=index, now=now, tenants=tenants))
        except RefusedError as error:
            refused.append(refuse(index, item, str(error)))
    return taken, refused


def read_assets(
    items: Sequence[object], *, now: datetime, tenants: Collection[str] | None
) -> tuple[list[AssetsRecord], list[RefusedRecord]]:
    """As ``read_tokens``, for numbers of assets."""
    taken, refused = [], []
    for index, item in enumerate(items):
        try:
            taken.append(assets_of(item, index=index, now=now, tenants=tenants))
        except RefusedError as error:
            refused.append(refuse(index, item, str(error)))
    return taken, refused


def token_of(
    item: object, *, index: int, now: datetime, tenants: Collection[str] | None = None
) -> TokenRecord:
    """One record. Raises ``RefusedError`` with a sentence that names the field."""
    known = _object(item, TOKEN_FIELDS)
    sha256 = _text(known, "sha256", required=True)
    if not _SHA256.fullmatch(sha256):
        msg = (
            "sha256 must be 64 hexadecimal digits: the SHA-256 of the response, or of the request where "
            "the TSA gave no token."
        )
        raise RefusedError(msg)
    name = _text(known, "status") or "granted"
    if name not in STATUS_NAMES:
        msg = f"status must be one of {', '.join(STATUS_NAMES)}, as RFC 3161 names them."
        raise RefusedError(msg)
    algorithm, digest = _text(known, "hash_algorithm"), _text(known, "digest")
    if bool(algorithm) != bool(digest):
        msg = "hash_algorithm and digest belong together: send both or neither."
        raise RefusedError(msg)
    if algorithm and not _ALGORITHM.fullmatch(algorithm):
        msg = "hash_algorithm must be a name such as sha256, or a dotted object identifier."
        raise RefusedError(msg)
    if digest and (not _DIGEST.fullmatch(digest) or len(digest) % 2):
        msg = "digest must be the message imprint in hexadecimal digits, 32 to 256 of them."
        raise RefusedError(msg)
    account = _text(known, "account")
    if len(account) > MAX_ACCOUNT or not account.isprintable():
        msg = f"account must be printable and have at most {MAX_ACCOUNT} characters."
        raise RefusedError(msg)
    return TokenRecord(
        identity=bytes.fromhex(sha256),
        at=checked_time(_moment(_text(known, "at", required=True)), now),
        status=STATUS_NAMES[name],
        tenant=_tenant(known, tenants, required=False),
        account=account,
        hash_algorithm=algorithm.lower().replace("-", ""),
        digest=bytes.fromhex(digest),
        index=index,
    )


def assets_of(
    item: object, *, index: int, now: datetime, tenants: Collection[str] | None = None
) -> AssetsRecord:
    """One number of assets. Raises ``RefusedError`` with a sentence that names the field."""
    known = _object(item, ASSET_FIELDS)
    text = _text(known, "day", required=True)
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        day = date.fromisoformat(text)
    except ValueError:
        msg = "day must be a day, as 2026-04-30."
        raise RefusedError(msg) from None
    if not EARLIEST.date() <= day <= (now + timedelta(days=1)).date():
        msg = f"day must lie between {EARLIEST.date()} and tomorrow."
        raise RefusedError(msg)
    assets = known.get("assets")
    if isinstance(assets, bool) or not isinstance(assets, int) or not 0 <= assets <= MAX_ASSETS:
        msg = f"assets must be a whole number from 0 to {MAX_ASSETS}, without quotes."
        raise RefusedError(msg)
    return AssetsRecord(_tenant(known, tenants, required=True), day, assets, index)


def checked_time(at: datetime, now: datetime) -> datetime:
    """``at``. Raises ``RefusedError`` where no token can bear it."""
    if at > now + AHEAD:
        msg = f"The time {at:%Y-%m-%dT%H:%M:%SZ} lies in the future: look at the clock of the TSA."
        raise RefusedError(msg)
    if at < EARLIEST:
        msg = (
            f"The time {at:%Y-%m-%dT%H:%M:%SZ} is before {EARLIEST.year}: it is no time of a token."
        )
        raise RefusedError(msg)
    return at


def is_slug(text: str) -> bool:
    """Whether ``text`` can name a tenant."""
    return bool(text) and len(text) <= MAX_SLUG and slug_of(text) == text


def _object(item: object, fields: Sequence[str]) -> Mapping[str, object]:
    if not isinstance(item, Mapping):
        msg = "It is not an object: send one object for each record."
        raise RefusedError(msg)
    unknown = sorted(
        str(name).encode("utf-8", "replace").decode() for name in item if name not in fields
    )
    if unknown:
        msg = f"There is no field {unknown[0][:60]}: known are {', '.join(fields)}."
        raise RefusedError(msg)
    if any(isinstance(value, str) and holds_token(value) for value in item.values()):
        msg = "It holds a token of this API: a token belongs into the header Authorization only."
        raise RefusedError(msg)
    return item


def _text(item: Mapping[str, object], name: str, *, required: bool = False) -> str:
    value = item.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str):
        msg = f"{name} {'is missing' if value is None else 'must be text in quotes'}."
        raise RefusedError(msg)
    return value


def _moment(text: str) -> datetime:
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError
        # Whole seconds: what reads a response itself knows no smaller step.
        return datetime.fromisoformat(text).astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        msg = "at must be a moment with its offset, as 2026-04-30T13:07:21Z: the token's genTime."
        raise RefusedError(msg) from None


def _tenant(item: Mapping[str, object], tenants: Collection[str] | None, *, required: bool) -> str:
    value = _text(item, "tenant", required=required)
    if (value or required) and not is_slug(value):
        msg = (
            f"tenant must be a slug of lower-case letters, digits and hyphens: {slug_of(value)!a}?"
        )
        raise RefusedError(msg)
    if tenants is not None and value not in tenants:
        msg = "The owner of this token may send for their own tenants only: name one of them as tenant."
        raise RefusedError(msg)
    return value
