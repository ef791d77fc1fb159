"""The settings of a connection to Cloudflare's API, and what no connection's settings may hold. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from finops.core.redaction import Redactor, is_sensitive_name

DEFAULT_TOKEN_ENV = "CLOUDFLARE_API_TOKEN"  # noqa: S105  # the name of a variable
MOST_ZONES = 50

_ID = re.compile(r"[0-9a-f]{32}")
_TOKEN_ENV = re.compile(r"(?:CLOUDFLARE|FINOPS)_(?:[A-Z0-9_]*_)?TOKEN(?:_[A-Z0-9_]*)?")
_TOKEN_SHAPE = re.compile(r"(?:[A-Za-z0-9]{2,10}_)?[A-Za-z0-9_-]{36,}")
_PATTERNS = Redactor()


class ConnectionSettingsError(ValueError):
    """Settings that cannot be used; the message is one sentence with what to write."""


@dataclass(frozen=True)
class CloudflareSettings:
    """Which account and zones are asked about; the token lies in the variable ``token_env``."""

    account: str
    zones: tuple[str, ...]
    token_env: str


def read_settings(given: object) -> CloudflareSettings:
    """The settings of a ``cloudflare_usage`` connection. Raises ``ConnectionSettingsError``."""
    if not isinstance(given, Mapping):
        raise ConnectionSettingsError('The settings must be an object, as in {"account": "…"}.')
    unknown = sorted(set(given) - {"account", "zones", "token_env"})
    if unknown:
        msg = f"The settings hold {', '.join(unknown)}: write only account, zones and token_env."
        raise ConnectionSettingsError(msg)
    account, zones = given.get("account", ""), given.get("zones", [])
    if not _is_id(account):
        msg = "The setting account must be Cloudflare's account id: 32 digits of 0 to 9 and a to f."
        raise ConnectionSettingsError(msg)
    if not isinstance(zones, list) or not all(map(_is_id, zones)) or len(zones) > MOST_ZONES:
        msg = (
            f"The setting zones must be a list of zone ids of 32 digits each, {MOST_ZONES} at most."
        )
        raise ConnectionSettingsError(msg)
    token_env = given.get("token_env", DEFAULT_TOKEN_ENV)
    if not (isinstance(token_env, str) and _TOKEN_ENV.fullmatch(token_env)):
        msg = (
            "The setting token_env must name an environment variable that begins with CLOUDFLARE_ or FINOPS_ "
            f"and has TOKEN in its name, for example {DEFAULT_TOKEN_ENV}."
        )
        raise ConnectionSettingsError(msg)
    return CloudflareSettings(account, tuple(dict.fromkeys(zones)), token_env)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def secret_setting(settings: object, name: str = "settings") -> str:
    """Where ``settings`` of any connection seem to hold a secret; empty where they do not.

    A key that names a secret may only hold the name of a variable, and then ends with ``_env``.
    """
    return next(_secret_settings(settings, name), "")


def _secret_settings(value: object, name: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            text = str(key)
            if is_sensitive_name(text) and not text.endswith("_env"):
                yield f"{name}.{text}"
            yield from _secret_settings(inner, f"{name}.{text}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _secret_settings(inner, f"{name}[{number}]")
    elif isinstance(value, str) and _is_secret(value):
        yield name


def _is_secret(value: str) -> bool:
    if _PATTERNS.text(value) != value:
        return True
    mixed = re.search(r"[0-9]", value) and re.search(r"[A-Za-z]", value)
    return bool(mixed and _TOKEN_SHAPE.fullmatch(value))


def base_url(text: str) -> str:
    """The API's address without a slash at its end. Raises ``ConnectionSettingsError``.

    Only https, and plain http to this machine alone, so that a token never travels in clear and never to a
    machine of the inner network that a person made the product call.
    """
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        msg = f"{text!r} is no address: write it like https://api.cloudflare.com/client/v4."
        raise ConnectionSettingsError(msg) from None
    if not host or parts.username or parts.password or parts.query or parts.fragment:
        msg = "The address must be as plain as https://api.cloudflare.com/client/v4, without credentials."
        raise ConnectionSettingsError(msg)
    if not is_loopback(host) and (parts.scheme != "https" or not _is_public(host)):
        msg = "The address must begin with https:// and name a public host: the token travels with each call."
        raise ConnectionSettingsError(msg)
    if parts.scheme not in {"http", "https"}:
        msg = f"The address begins with {parts.scheme}://: write https://."
        raise ConnectionSettingsError(msg)
    return text.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine, by name or number."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _is_public(host: str) -> bool:
    address = _address(host)
    if address is not None:
        return address.is_global
    return "." in host and not host.endswith((".local", ".internal", ".localhost"))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
