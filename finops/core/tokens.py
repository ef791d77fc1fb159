"""Tokens of the API: how they are written and what is kept of them. Pure: randomness is an argument."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from hashlib import sha256

PREFIX = "fce"
ID_BYTES = 6
SECRET_BYTES = 32
_TOKEN = re.compile(rf"{PREFIX}_([0-9a-f]{{{2 * ID_BYTES}}})_([A-Za-z0-9_-]{{43}})", re.ASCII)
_ANYWHERE = re.compile(rf"{PREFIX}_[0-9a-f]{{{2 * ID_BYTES}}}_[A-Za-z0-9_-]{{8}}", re.ASCII)


@dataclass(frozen=True)
class TokenParts:
    """A token taken apart: the public ``id`` finds the row, the ``secret`` proves it."""

    id: str
    secret: str


def write_token(token_id: str, secret: str) -> str:
    """The token as it is handed over, once: ``fce_<id>_<secret>``."""
    return f"{PREFIX}_{token_id}_{secret}"


def read_token(text: str) -> TokenParts | None:
    """The parts of a token; ``None`` where ``text`` is none."""
    match = _TOKEN.fullmatch(text)
    return TokenParts(match[1], match[2]) if match else None


def holds_token(text: str) -> bool:
    """Whether a token stands somewhere in ``text``, also one that was cut."""
    return _ANYWHERE.search(text) is not None


def secret_hash(secret: str) -> str:
    """What is kept of a secret: SHA-256 in hex.

    A secret has 256 random bits, so that neither a slow hash nor a salt would add to it.
    """
    return sha256(secret.encode()).hexdigest()


def is_secret(secret: str, kept_hash: str) -> bool:
    """Whether ``kept_hash`` is of this secret, in a time that does not tell where they differ."""
    return hmac.compare_digest(secret_hash(secret), kept_hash)
