"""Calls of Cloudflare's API over HTTP: one try after the other, and one sentence where none succeeds.

The token is read from the environment by name, stands in one header of each request, and nowhere else.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
)
from tenacity.wait import wait_exponential_jitter

from finops import clock
from finops.logs import redact
from ingestion.core.cloudflare_errors import Refusal, Trouble, http_date, refusal_of_status, short
from ingestion.core.cloudflare_graphql import AnswerError, parse_json
from ingestion.core.cloudflare_queries import ACCOUNTS, ZONES
from ingestion.core.cloudflare_rest import deployments_path
from ingestion.core.cloudflare_settings import base_url, is_loopback
from ingestion.core.delivery import SourceError

TRIES = 5
LONGEST_WAIT = timedelta(minutes=6)
LONGEST_TRYING = timedelta(minutes=10)
MOST_BYTES = 64_000_000
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)

Sleep = Callable[[float], None]


class ApiError(SourceError):
    """A call that gave nothing; the message is one sentence. ``trouble`` says of what kind."""

    def __init__(self, sentence: str, refusal: Refusal) -> None:
        super().__init__(sentence)
        self.refusal = refusal

    @property
    def trouble(self) -> Trouble:
        """Its kind."""
        return self.refusal.trouble

    @property
    def passes(self) -> bool:
        """Whether another try, later, may succeed."""
        return self.refusal.passes


class Client:
    """One account's way to the API. Use it as a context; ``sleep`` is what waits between tries.

    ``offset`` is the API's clock less ours as the last answer came; ``None`` while no answer bore a date.
    """

    def __init__(
        self,
        base: str,
        token: str,
        *,
        sleep: Sleep = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        address = base_url(base)
        self._secret = token
        self._sleep = sleep
        self.offset: timedelta | None = None
        self._http = httpx.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            timeout=_TIMEOUT,
            follow_redirects=False,  # a redirect would take the token elsewhere
            trust_env=not is_loopback(httpx.URL(address).host),
            transport=transport,
        )

    def __repr__(self) -> str:
        return f"Client({self._http.base_url})"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def graphql(
        self, query: str, variables: Mapping[str, object], check: Callable[[Any], Any]
    ) -> Any:
        """What ``check`` makes of the answer. ``check`` raises ``AnswerError`` for errors inside HTTP 200.

        Raises ``ApiError``.
        """
        payload = {"query": query, "variables": dict(variables)}
        return self._tried("POST", "/graphql", check, json=payload)

    def deployments(self, account: str, script: str, check: Callable[[Any], Any]) -> Any:
        """What ``check`` makes of the deployments of a script. Raises ``ApiError``."""
        return self._tried("GET", deployments_path(account, script), check)

    def billable_usage(
        self, path: str, first: date, last: date, check: Callable[[Any], Any]
    ) -> Any:
        """What ``check`` makes of the billable usage of these days, both included. Raises ``ApiError``."""
        params = {"from": first.isoformat(), "to": last.isoformat()}
        return self._tried("GET", path, check, params=params)

    def _tried(self, method: str, path: str, check: Callable[[Any], Any], **more: Any) -> Any:
        """The call, again while it may pass. Raises ``ApiError``."""
        tries = Retrying(
            stop=stop_after_attempt(TRIES) | stop_after_delay(LONGEST_TRYING),
            retry=retry_if_exception(
                lambda error: isinstance(error, AnswerError) and error.refusal.passes
            ),
            wait=_wait,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return tries(self._once, method, path, check, **more)
        except AnswerError as error:
            raise ApiError(self._clean(_sentence(error.refusal)), error.refusal) from None

    def _once(self, method: str, path: str, check: Callable[[Any], Any], **more: Any) -> Any:
        try:
            with self._http.stream(method, path, **more) as response:
                body = _read(response)
        except httpx.TimeoutException:
            raise AnswerError(Refusal(Trouble.DOWN, "it did not answer in time")) from None
        except httpx.HTTPError as error:
            raise AnswerError(Refusal(Trouble.DOWN, short(str(error)) or "no connection")) from None
        now = clock.now()
        date = http_date(response.headers.get("Date", ""))
        if date is not None:
            self.offset = date - now
        if 300 <= response.status_code < 400:
            raise AnswerError(
                Refusal(
                    Trouble.OTHER, "it sends calls on to another address, which is not followed"
                )
            )
        try:
            parsed = parse_json(body)
        except (ValueError, RecursionError):
            parsed = None
            if response.status_code == 200:
                raise AnswerError(Refusal(Trouble.DOWN, "its answer is not JSON")) from None
        if response.status_code != 200:
            after = response.headers.get("Retry-After", "")
            raise AnswerError(refusal_of_status(response.status_code, parsed, after, date or now))
        return check(parsed)

    def _clean(self, sentence: str) -> str:
        """The sentence without the token, whatever the API repeated of it."""
        return redact(sentence.replace(self._secret, "***"))


def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > MOST_BYTES:
            raise AnswerError(
                Refusal(Trouble.OTHER, f"its answer is longer than {MOST_BYTES:,} bytes")
            )
    return bytes(body)


_exponential = wait_exponential_jitter(initial=1, max=60, jitter=2)


def _wait(state: RetryCallState) -> float:
    """What the API asked for, and a little more so that not all come back at once; else doubled each time."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.refusal.wait if isinstance(error, AnswerError) else None
    if asked is None:
        return float(_exponential(state))
    return min(asked, LONGEST_WAIT).total_seconds() + random.uniform(0, 2)  # noqa: S311  # jitter


_SENTENCES: dict[Trouble, str] = {
    Trouble.TOKEN: "Cloudflare does not accept the token; make a new one and set it in the environment",
    Trouble.FORBIDDEN: "The token may not read this: give it Account Analytics and Zone Analytics, read",
    Trouble.MISSING: "Cloudflare does not know what was asked for: check account and zones",
    Trouble.SCHEMA: "Cloudflare's answer has another form than this version reads",
    Trouble.RANGE: "Cloudflare refuses the window of time",
    Trouble.BUSY: "Cloudflare's limit of calls is used up; the next look tries again",
    Trouble.DOWN: "Cloudflare's API cannot be reached; the next look tries again",
    Trouble.OTHER: "Cloudflare refused the call",
}


def _sentence(refusal: Refusal) -> str:
    said = f" (it says: {refusal.said})" if refusal.said else ""
    return f"{_SENTENCES[refusal.trouble]}{said}."


def token_of(variable: str) -> str:
    """The token in the environment variable called ``variable``. Raises ``SourceError`` naming it."""
    token = os.environ.get(variable, "").strip()
    if not token:
        msg = f"The environment variable {variable} is not set: put the Cloudflare API token there."
        raise SourceError(msg)
    if not (token.isascii() and token.isprintable()) or " " in token:
        msg = (
            f"The environment variable {variable} holds no token: it has blanks or odd characters."
        )
        raise SourceError(msg)
    return token


SCOPE_NAMES = {ACCOUNTS: "account", ZONES: "zone"}
"""What people call a scope."""
