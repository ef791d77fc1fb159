"""Randomness that comes only from the seed: the same seed and parts give the same value anywhere."""

from __future__ import annotations

import hashlib
import struct
import uuid
from base64 import b32encode

_DAY_NOISE = struct.Struct("<24H")


def _digest(size: int, seed: int, *parts: str | int) -> bytes:
    text = "|".join(str(part) for part in (seed, *parts))
    return hashlib.blake2b(text.encode(), digest_size=size).digest()


def hex_text(seed: int, *parts: str | int, length: int) -> str:
    """``length`` hexadecimal digits (an instance id, a name's suffix)."""
    return _digest((length + 1) // 2, seed, *parts).hex()[:length]


def digits(seed: int, *parts: str | int, length: int) -> str:
    """``length`` decimal digits that do not begin with 0 (an account id, an invoice number)."""
    low = 10 ** (length - 1)
    return str(low + int.from_bytes(_digest(16, seed, *parts)) % (9 * low))


def between(seed: int, *parts: str | int, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included."""
    return low + int.from_bytes(_digest(16, seed, *parts)) % (high - low + 1)


def line_id(seed: int, *parts: str | int) -> str:
    """A line item id as AWS prints it: 52 lower-case letters and digits."""
    return b32encode(_digest(32, seed, *parts)).decode().rstrip("=").lower()


def sku_code(*parts: str | int) -> str:
    """A product's 16-character code, the same for every seed: a price list has no randomness."""
    return b32encode(_digest(10, 0, *parts)).decode()


def uuid_text(seed: int, *parts: str | int) -> str:
    """A version 4 UUID (an execution id)."""
    return str(uuid.UUID(bytes=_digest(16, seed, *parts), version=4))


def day_noise(seed: int, *parts: str | int) -> tuple[int, ...]:
    """24 whole numbers from 0 to 65535, one for each hour of a day."""
    return _DAY_NOISE.unpack(_digest(48, seed, *parts))
