"""How often one may ask: each token, and each address that fails to name one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from finops.api.models import ApiToken

if TYPE_CHECKING:  # DRF imports this module before its views are there
    from rest_framework.views import APIView


class TokenThrottle(SimpleRateThrottle):
    """``API_RATE`` for each token."""

    scope = "api-token"

    def get_rate(self) -> str:
        """The setting, read when asked."""
        return str(settings.API_RATE)

    def get_cache_key(self, request: Request, view: APIView) -> str | None:  # noqa: ARG002
        """One counter a token; a person who reads the document is not counted."""
        token = request.auth
        return f"api.rate.{token.pk}" if isinstance(token, ApiToken) else None


class FailureThrottle(SimpleRateThrottle):
    """``API_FAILED_RATE`` for each address whose requests name no valid token."""

    scope = "api-failure"

    def get_rate(self) -> str:
        """The setting, read when asked."""
        return str(settings.API_FAILED_RATE)

    def get_cache_key(self, request: Request, view: APIView | None) -> str:  # noqa: ARG002
        """One counter an address."""
        return f"api.failures.{self.get_ident(request)}"


def refuse_guessing(request: Request) -> None:
    """Count a failure of this address. Raises ``Throttled`` where there were too many.

    Only failures are refused: whoever shares the address and holds a token is served.
    """
    throttle = FailureThrottle()
    if not throttle.allow_request(request, None):  # type: ignore[arg-type]  # it needs no view
        raise Throttled(wait=throttle.wait())
