"""Secrets out of texts, before they reach a log, a page or a table. Pure: no Django, no environment.

Known secrets (values of the environment) go wherever they stand; unknown ones go by their shape: a
password in a URL, a value beside a telling key, a bearer token, an AWS key, a JWT, a PEM block, a long
random token. What we print on purpose stays: SHA-256 and other plain lower-case hex, UUIDs, ARNs,
resource ids (``i-0abc…``), time stamps, file keys.

Every pattern runs in linear time: each repetition is possessive, bounded, or ends its match for certain.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from urllib.parse import quote, unquote

MASK = "***"

_MIN_KNOWN = 4  # shorter values would blank out half of every text, and cannot grow by masking
_MIN_FROM_ENVIRONMENT = 6
_MAX_ROUNDS = 8

_SENSITIVE = (
    r"pass(?:word|wd|phrase|code)|pwd|secret|token|api[-_]?key|access[-_]?key|auth[-_]?key"
    r"|authorization|cookie|private|credential|session|signature"
)
_SENSITIVE_PARTS = (
    *("pass", "pwd", "secret", "token", "key", "auth", "cookie", "private"),
    *("credential", "session", "signature"),
)
"""One of these stands in whatever ``_SENSITIVE`` matches."""
_TAKEN_FOR_ASCII = "\u0130\u0131\u017f\u212a"
"""Letters that patterns take for i, s and k where case does not count."""
_SENSITIVE_NAME = re.compile(_SENSITIVE, re.IGNORECASE)
_SECRET_VARIABLE = re.compile(
    rf"{_SENSITIVE}|(?:^|_)(?:pass|key|dsn|salt|auth)(?:_|$)", re.IGNORECASE
)
# Named like secrets, but the shell's own: blanking the working directory out of every log helps nobody.
_HARMLESS_VARIABLE = re.compile(r"(?:OLD)?PWD|(?:XDG|DBUS)_.*")
_SWITCH = re.compile(r"[0-9.]{1,9}|true|false|none|null|disabled|enabled|default", re.IGNORECASE)
# Up to the last @: people forget to quote @ and / in passwords.
_PASSWORD_IN_VARIABLE = re.compile(r"://[^:@/\s]*+:(\S+)@")
_PARAMETER_IN_VARIABLE = re.compile(rf"[?&;](?:{_SENSITIVE})[\w-]*+=([^&;\s]++)", re.IGNORECASE)

_ARN = r"arn:aws[a-z-]{0,20}:[A-Za-z0-9:/._*+-]++"
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{1,40}-----.*?(?:-----END [A-Z0-9 ]{1,40}-----|\Z)", re.DOTALL
)
# `://host:8080/…@` has a port and no password.
_URL = re.compile(r"(://[^\s/?#:@\[\"'<>]{0,200}+:)(?![0-9]{1,5}(?:[/?#\s]|\Z))[^\s\"'<>]{1,500}@")
# A header's value holds blanks: all of it is masked, to the end of its line or of its quotes.
_HEADER = re.compile(
    r"((?:authorization|cookie)[\w-]{0,10}+\s{0,5}+[:=]\s{0,5}+)"
    r"[^\r\n\"']++(?:(?<==)\"[^\"\r\n]*+\"[^\r\n\"']*+)*+",
    re.IGNORECASE,
)
_KEY_AND_VALUE = re.compile(
    rf"""
    (?P<arn> {_ARN} )
    | (?P<key>
        (?:{_SENSITIVE}) [\w.\-]{{0,40}}+
        (?: \\{{0,3}}["'] \s{{0,5}}+ [:=]{{1,2}}+ | \s{{0,5}}+ [:=]{{1,2}}+ | (?=>) )
        >? \s{{0,5}}+
      )
      (?P<value>
          b?" (?: [^"\\]++ | \\. )*+ (?: " | \\?\Z )
        | b?' (?: [^'\\]++ | \\. )*+ (?: ' | \\?\Z )
        | \\{{1,3}}["'] [^"']*+ ["']?+
        | [\[({{] [^\])}}]*+ [\])}}]?+
        | [^\s&"'<>]++
      )
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
# ("password", "…") as headers and arguments are shown.
_PAIR = re.compile(
    rf"((?:{_SENSITIVE})[\w.\-]{{0,40}}+[\"']\s{{0,5}}+,\s{{0,5}}+b?[\"'])[^\"']++", re.IGNORECASE
)
_OPTION = re.compile(
    rf"(--[a-z-]{{0,30}}?(?:{_SENSITIVE})[\w-]{{0,40}}+\s{{1,5}}+[\"']?+)(?!-)[^\s\"']++",
    re.IGNORECASE,
)
_API_TOKEN = re.compile(r"(fce_[0-9a-f]{12}_)[A-Za-z0-9_-]{6,}+")
_BEARER = re.compile(r"\b(bearer)(\s{1,5}+)[A-Za-z0-9._~+/=:-]{6,}+", re.IGNORECASE)
_BASIC = re.compile(r"\b(basic)(\s{1,5}+)([A-Za-z0-9+/_-]{6,}+={0,2}+)", re.IGNORECASE)
_JWT = re.compile(
    r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{4,}+\.[A-Za-z0-9_-]{2,}+(?:\.[A-Za-z0-9_-]*+)?+"
)
_AWS_KEY_ID = re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}+")
_AWS_SECRET = re.compile(r"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])")
_LONG = re.compile(rf"(?P<arn>\b{_ARN})|(?P<token>[A-Za-z0-9_+=-]{{24,}}+)")

_ATOM = re.compile(r"[A-Za-z0-9]+")
_PLAIN_ATOM = re.compile(
    r"[0-9]+|[A-Za-z]+|[0-9a-f]+|[0-9]{8}T[0-9]{4,9}Z?|[0-9]{2}T[0-9]{2,6}Z?", re.ASCII
)
_LETTER_BY_DIGIT = re.compile(r"(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])")
_CLASS_CHANGE = re.compile(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[a-z0-9])|(?<=[0-9])(?=[A-Za-z])")


_SHORT = 200
_REMEMBERED = 8192


class Redactor:
    """Takes secrets out of texts; made once from the known ones."""

    def __init__(self, secrets: Collection[str] = frozenset()) -> None:
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= _MIN_KNOWN}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, longest_first))) if forms else None
        # Names of columns, products and accounts come again with every row.
        self._remembered = lru_cache(_REMEMBERED)(self._redact)

    def text(self, text: str) -> str:
        """``text`` with every secret replaced by ``***``; the same text again when there is none."""
        return self._remembered(text) if len(text) <= _SHORT else self._redact(text)

    def _redact(self, text: str) -> str:
        for _round in range(_MAX_ROUNDS):
            redacted = self._once(text)
            if redacted == text:
                break
            # Masking may bring parts together that now read as a known secret.
            text = redacted
        return text

    def _once(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(MASK, text)
        # What is masked on the way brings no new word in, so it is enough to look for words here.
        has = _words(text)
        if has("-----begin "):
            text = _PEM.sub(MASK, text)
        if has("://"):
            text = _URL.sub(rf"\1{MASK}@", text)
        if has("authorization", "cookie"):
            text = _HEADER.sub(rf"\1{MASK}", text)
        if has(*_SENSITIVE_PARTS):
            text = _KEY_AND_VALUE.sub(_mask_value, text)
            text = _PAIR.sub(rf"\1{MASK}", text)
            text = _OPTION.sub(rf"\1{MASK}", text)
        if has("fce_"):
            text = _API_TOKEN.sub(rf"\1{MASK}", text)
        if has("bearer"):
            text = _BEARER.sub(rf"\1\2{MASK}", text)
        if has("basic"):
            text = _BASIC.sub(_mask_basic, text)
        if has("eyj"):
            text = _JWT.sub(MASK, text)
        if has("akia", "asia", "abia", "acca"):
            text = _AWS_KEY_ID.sub(MASK, text)
        text = _AWS_SECRET.sub(_mask_aws_secret, text)
        return _LONG.sub(_mask_token, text)


def _words(text: str) -> Callable[..., bool]:
    """Says whether one of some words (in lower case) stands in ``text``: a pattern with none to begin at costs
    a hundred times as much to try."""
    if any(letter in text for letter in _TAKEN_FOR_ASCII):
        return lambda *_: True
    low = text.lower()
    return lambda *words: any(word in low for word in words)


@lru_cache(_REMEMBERED)
def is_sensitive_name(name: str) -> bool:
    """Whether a key called ``name`` (a header, a field, a parameter) tells of a secret value."""
    return _SENSITIVE_NAME.search(name) is not None


def secrets_from_environment(environ: Mapping[str, str]) -> frozenset[str]:
    """The secret values in ``environ``: of variables with telling names, and passwords inside URLs."""
    found: set[str] = set()
    for name, value in environ.items():
        parts = _PASSWORD_IN_VARIABLE.findall(value) + _PARAMETER_IN_VARIABLE.findall(value)
        found.update(parts)
        found.update(map(unquote, parts))
        telling = _SECRET_VARIABLE.search(name) and not _HARMLESS_VARIABLE.fullmatch(name)
        if telling and not parts:
            found.update((value, value.strip()))
    return frozenset(
        value
        for value in found
        if len(value) >= _MIN_FROM_ENVIRONMENT and not _SWITCH.fullmatch(value)
    )


_PATTERNS_ONLY = Redactor()


def mask_row(
    columns: Mapping[str, str],
    keep: Collection[str],
    limit: int = 500,
    *,
    redactor: Redactor = _PATTERNS_ONLY,
) -> str:
    """A rejected row as text that may be shown: ``name=value`` for ``keep``, sizes for the rest.

    Kept columns come first; their values are redacted, then cut to 80 characters. Of the others only
    the length shows, and nothing where they are empty.
    """
    kept, others = [], []
    for column, value in columns.items():
        name = _cut(redactor.text(column), 60)
        if value and is_sensitive_name(column):
            others.append(f"{name}={MASK}")
        elif column in keep:
            kept.append(f"{name}={_cut(redactor.text(value), 80)}")
        elif value:
            others.append(f"{name}=‹{len(value)} chars›")
    # Once more over the whole: a secret may only show beside its neighbour.
    return _cut(redactor.text("; ".join((*kept, *others))), limit)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _forms(secret: str) -> Iterable[str]:
    """How a secret may be written: plain, in a URL, in JSON, in HTML, as Python shows it."""
    yield secret
    yield quote(secret, safe="")
    yield quote(secret)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield html.escape(secret)
    yield repr(secret)[1:-1]


def _mask_value(match: re.Match[str]) -> str:
    if match["arn"] is not None:
        return match[0]
    value = match["value"]
    opening = re.match(r"b?\\*[\"']", value)
    if opening is None:
        return f"{match['key']}{MASK}"
    closing = re.search(r"\\*[\"']\Z", value[opening.end() :])
    return f"{match['key']}{opening[0]}{MASK}{closing[0] if closing else ''}"


def _mask_basic(match: re.Match[str]) -> str:
    """Only what decodes to ``user:password``: "basic information" is no secret."""
    text = match[3].replace("-", "+").replace("_", "/").rstrip("=")
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return match[0]
    return f"{match[1]}{match[2]}{MASK}" if b":" in decoded else match[0]


def _mask_aws_secret(match: re.Match[str]) -> str:
    """Random base64 changes its kind of letter all the time; a path of 40 characters does not."""
    return MASK if len(_CLASS_CHANGE.findall(match[0])) >= 10 and _mixed(match[0]) else match[0]


def _mixed(text: str) -> bool:
    return re.search(r"[0-9]", text) is not None and re.search(r"[A-Z]", text) is not None


def _mask_token(match: re.Match[str]) -> str:
    if match["arn"] is not None:
        return match[0]
    atoms = [
        atom
        for atom in _ATOM.findall(match["token"])
        if len(atom) > 6 and not _PLAIN_ATOM.fullmatch(atom)
    ]
    length = sum(map(len, atoms))
    if length < 20:
        return match[0]
    by_digit = sum(len(_LETTER_BY_DIGIT.findall(atom)) for atom in atoms)
    changes = sum(len(_CLASS_CHANGE.findall(atom)) for atom in atoms)
    return MASK if by_digit >= 3 or (by_digit and changes >= 0.45 * length) else match[0]
