"""A time-stamp response (RFC 3161, ``.tsr``) as bytes from anywhere: what it says, or why it is refused. Pure.

The parser is ``rfc3161-client`` (Rust, no recursion, DER only). It is given whole bytes of bounded size and
nothing is verified: whether a signature holds is the stamping service's business, how many tokens there
are is ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from rfc3161_client import TimeStampResponse, decode_timestamp_response

from ingestion.core.tsa import RefusedError, Status, checked_time

MAX_BYTES = 64 << 10
"""Longest response that is parsed; with a chain of certificates one has some 10 kB."""

_HASHES: dict[str, tuple[str, int]] = {
    "1.3.14.3.2.26": ("sha1", 20),
    "2.16.840.1.101.3.4.2.4": ("sha224", 28),
    "2.16.840.1.101.3.4.2.1": ("sha256", 32),
    "2.16.840.1.101.3.4.2.2": ("sha384", 48),
    "2.16.840.1.101.3.4.2.3": ("sha512", 64),
    "2.16.840.1.101.3.4.2.8": ("sha3256", 32),
    "2.16.840.1.101.3.4.2.9": ("sha3384", 48),
    "2.16.840.1.101.3.4.2.10": ("sha3512", 64),
}
"""Object identifier → name and bytes. Source: NIST, Computer Security Objects Register."""
_MOST_DIGEST_BYTES = 128
_MOST_SERIAL_BYTES = 20
"""Source: RFC 5280, 4.1.2.2; RFC 3161 lets a serial number have 160 bits."""
_MOST_POLICY = 100
_SEQUENCE, _BIT_STRING = 0x30, 0x03
_LAST_FAILURE = 26
_Parsed = TypeVar("_Parsed")
_NO_RESPONSE = "it is no time-stamp response (RFC 3161, DER)"


@dataclass(frozen=True)
class Response:
    """What a response says; ``at`` is ``None`` and the digest empty where there is no token.

    ``serial``, ``policy`` and ``failure`` as in ``TokenRecord``; a serial number beyond 20 bytes is left out.
    """

    status: Status
    at: datetime | None = None
    hash_algorithm: str = ""
    digest: bytes = b""
    text: str = ""
    serial: bytes = b""
    policy: str = ""
    failure: int | None = None


def read_response(content: bytes, *, now: datetime) -> Response:
    """Parse one response. Raises ``RefusedError`` with a clause that says what is wrong with the bytes."""
    if len(content) > MAX_BYTES:
        msg = f"it is larger than {MAX_BYTES >> 10} kB, which no time-stamp response is"
        raise RefusedError(msg)
    if not content:
        msg = "it is empty"
        raise RefusedError(msg)
    found = _parsed(lambda: decode_timestamp_response(content), _NO_RESPONSE)
    try:
        status = Status(found.status)
    except ValueError:
        msg = f"its status {found.status} is none that RFC 3161 knows"
        raise RefusedError(msg) from None
    if not status.has_token:
        return Response(status, text=_shown(found), failure=_failure(content))
    return _parsed(lambda: _token(found, status, now), "it says granted, but bears no token")


def _token(found: TimeStampResponse, status: Status, now: datetime) -> Response:
    info = found.tst_info
    imprint = info.message_imprint
    oid, digest = imprint.hash_algorithm.dotted_string, bytes(imprint.message)
    name, length = _HASHES.get(oid, (oid[:40], len(digest)))
    if len(digest) != length or not 1 <= len(digest) <= _MOST_DIGEST_BYTES:
        msg = f"its message imprint has {len(digest)} bytes, which {name} never has"
        raise RefusedError(msg)
    at = info.gen_time
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    serial = info.serial_number
    size = (serial.bit_length() + 7) // 8 if serial > 0 else 0
    return Response(
        status,
        checked_time(at, now),
        name,
        digest,
        _shown(found),
        serial=serial.to_bytes(size) if size <= _MOST_SERIAL_BYTES else b"",
        policy=info.policy.dotted_string[:_MOST_POLICY],
    )


def _failure(content: bytes) -> int | None:
    """The first bit of PKIFailureInfo of a response that was parsed already; the parser does not give it."""
    try:
        _, body, _ = _element(content, 0)
        _, info, _ = _element(content, body)
        _, start, end = _element(content, info)  # the status
        tag, start, end = _element(content, end)
        if tag == _SEQUENCE:
            tag, start, end = _element(content, end)
    except IndexError:
        return None
    if tag != _BIT_STRING or end - start < 2:
        return None
    bits = content[start + 1 : end]
    found = (
        8 * place + bit for place, byte in enumerate(bits) for bit in range(8) if byte & 0x80 >> bit
    )
    return next((bit for bit in found if bit <= _LAST_FAILURE), None)


def _element(content: bytes, at: int) -> tuple[int, int, int]:
    """Tag of the DER element at ``at``, and where what it holds begins and ends. Raises ``IndexError``."""
    tag, size, start = content[at], content[at + 1], at + 2
    if size & 0x80:
        count = size & 0x7F
        size, start = int.from_bytes(content[start : start + count]), start + count
    if start + size > len(content):
        raise IndexError
    return tag, start, start + size


def _shown(found: TimeStampResponse) -> str:
    return " ".join(found.status_string)[:200]


def _parsed(parse: Callable[[], _Parsed], otherwise: str) -> _Parsed:
    """What ``parse`` gives. Whatever the parser says of the bytes becomes ``RefusedError``."""
    try:
        return parse()
    except (ValueError, OverflowError):
        raise RefusedError(otherwise) from None
    except BaseException as error:
        # A panic of the Rust side is a BaseException of a module that cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        raise RefusedError(otherwise) from None
