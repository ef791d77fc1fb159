"""Time-stamp responses (RFC 3161) as bytes: DER by hand, with a signature that signs nothing. Pure.

Enough of RFC 3161 and CMS for every parser to accept: TimeStampResp, SignedData with one SignerInfo, TSTInfo.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

_INTEGER, _BITS, _OCTETS, _NULL, _OID, _UTF8 = 0x02, 0x03, 0x04, 0x05, 0x06, 0x0C
_TIME, _SEQUENCE, _SET, _FIRST = 0x18, 0x30, 0x31, 0xA0
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_TST_INFO = "1.2.840.113549.1.9.16.1.4"
_SHA256 = "2.16.840.1.101.3.4.2.1"
_ECDSA_SHA256 = "1.2.840.10045.4.3.2"
_COMMON_NAME = "2.5.4.3"
_POLICY = "1.3.6.1.4.1.99999.3161.1"
_BAD_ALGORITHM = 0  # PKIFailureInfo badAlg, a bit's number


@dataclass(frozen=True)
class Token:
    """One granted request: ``digest`` is a SHA-256, ``serial`` the TSA's number of the token."""

    at: datetime
    serial: int
    digest: bytes
    with_mods: bool = False


def granted(token: Token, tsa: str) -> bytes:
    """The response that bears ``token``, of the TSA named ``tsa``."""
    info = _sequence(
        _integer(1),
        _oid(_POLICY),
        _sequence(_sequence(_oid(_SHA256), _der(_NULL)), _der(_OCTETS, token.digest)),
        _integer(token.serial),
        _der(_TIME, f"{token.at:%Y%m%d%H%M%SZ}".encode()),
    )
    name = _sequence(
        _der(_SET, _sequence(_oid(_COMMON_NAME), _der(_UTF8, tsa.encode()))),
    )
    algorithm = _sequence(_oid(_SHA256))
    signer = _sequence(
        _integer(1),
        _sequence(name, _integer(1)),
        algorithm,
        _sequence(_oid(_ECDSA_SHA256)),
        _der(_OCTETS, bytes(64)),
    )
    signed = _sequence(
        _integer(3),
        _der(_SET, algorithm),
        _sequence(_oid(_TST_INFO), _der(_FIRST, _der(_OCTETS, info))),
        _der(_SET, signer),
    )
    content = _sequence(_oid(_SIGNED_DATA), _der(_FIRST, signed))
    return _sequence(_sequence(_integer(int(token.with_mods))), content)


def rejected(reason: str) -> bytes:
    """The response to a request with an algorithm that the TSA does not take."""
    failure = _der(_BITS, bytes([7 - _BAD_ALGORITHM, 0x80 >> _BAD_ALGORITHM]))
    return _sequence(
        _sequence(_integer(2), _sequence(_der(_UTF8, reason.encode())), failure),
    )


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length + content


def _sequence(*parts: bytes) -> bytes:
    return _der(_SEQUENCE, *parts)


def _integer(value: int) -> bytes:
    return _der(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1))


def _oid(dotted: str) -> bytes:
    first, second, *rest = (int(part) for part in dotted.split("."))
    content = bytearray([first * 40 + second])
    for part in rest:
        septets = [part & 0x7F]
        while part := part >> 7:
            septets.append(0x80 | (part & 0x7F))
        content += bytes(reversed(septets))
    return _der(_OID, bytes(content))
