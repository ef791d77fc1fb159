"""Writes that may be sent again: the same key and request have one effect and one answer.

After the IETF draft "The Idempotency-Key HTTP Header Field". The answer is kept in the transaction of the
effect, so a killed process leaves both or neither.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial, wraps
from hashlib import sha256
from typing import Any

from django.core.cache import cache
from django.db import transaction
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from finops import clock
from finops.api.models import ApiToken, KeptAnswer
from finops.api.problems import Problem
from finops.api.views import ApiView
from finops.core.tokens import holds_token

KEPT_FOR = timedelta(hours=24)
HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
LONGEST_KEY = 255
_MARK_SECONDS = 60
_Write = Callable[..., Response]
"""A method of a view: it, the request, and what the address names."""


def idempotent(write: _Write) -> _Write:
    """Guard a write: it runs once for a token's key, in one transaction with its kept answer.

    Raises 400 without a key, 409 while the same key is being worked on, 422 where the key came with
    another request. An error undoes the write and is not kept: the key may be used again.
    """

    @wraps(write)
    def once(view: ApiView, request: Request, **address: Any) -> Response:
        token, key = request.auth, _key(request)
        if not isinstance(token, ApiToken):
            raise TypeError  # only tokens reach a write
        # Only a polite early answer: what keeps two apart is the unique key in the database.
        mark = f"api.idempotency.{token.pk}.{sha256(key.encode()).hexdigest()}"
        if not cache.add(mark, 1, _MARK_SECONDS):
            msg = "The same Idempotency-Key is being worked on: send the request again in a second."
            raise Problem(409, "idempotency-key-in-use", msg, retry_after=1)
        try:
            return _once(partial(write, view, request, **address), request, token=token, key=key)
        finally:
            cache.delete(mark)

    return once


def _once(
    write: Callable[[], Response], request: Request, *, token: ApiToken, key: str
) -> Response:
    now = clock.now()
    asked = _hash(request)
    with transaction.atomic():
        KeptAnswer.objects.filter(token=token, key=key, created_at__lte=now - KEPT_FOR).delete()
        # On PostgreSQL a second one waits here until the first has its answer; on SQLite it cannot begin.
        kept, is_new = KeptAnswer.objects.get_or_create(
            token=token, key=key, defaults={"request_hash": asked, "created_at": now}
        )
        if not is_new:
            return _again(kept, asked)
        response = write()
        kept.status = response.status_code
        kept.body = JSONRenderer().render(response.data).decode()
        kept.save(update_fields=["status", "body"])
    return response


def _again(kept: KeptAnswer, asked: str) -> Response:
    if kept.request_hash != asked:
        msg = "This Idempotency-Key came with another request before: use a new key for a new request."
        raise Problem(422, "idempotency-key-reused", msg)
    return Response(json.loads(kept.body), status=kept.status, headers={REPLAYED: "true"})


def _key(request: Request) -> str:
    key = str(request.headers.get(HEADER, "")).strip()
    fits = key and len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()
    if fits and not holds_token(key):
        return key
    msg = (
        f"Send the header {HEADER} with 1 to {LONGEST_KEY} printable characters, a new one for each "
        "request, for example a UUID; then the request can be sent again without harm."
    )
    raise Problem(400, "idempotency-key-missing", msg)


def _hash(request: Request) -> str:
    body: Any = request.body
    head = f"{request.method} {request.get_full_path()}\n"
    return sha256(head.encode() + body).hexdigest()


def forget_answers(*, before: datetime) -> int:
    """Remove answers that were first asked before ``before``; how many there were."""
    return KeptAnswer.objects.filter(created_at__lt=before).delete()[0]
