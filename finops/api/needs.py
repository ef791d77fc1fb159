"""Who may: a token with the scope, whose owner holds the right at this moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rest_framework import exceptions
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from finops.api.models import ApiToken
from finops.api.tokens import scope_of
from finops.models import User
from finops.permissions import Capability, check

if TYPE_CHECKING:  # DRF imports this module before its views are there
    from rest_framework.views import APIView


class NeedsItsCapability(BasePermission):
    """The token has the scope and its owner the right, now. A method without a need does not exist."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Raise 403 with a sentence, or 405 where there is no such method."""
        method = "GET" if request.method == "HEAD" else str(request.method)
        needs: Mapping[str, Capability] = getattr(view, "needs", {})
        need = needs.get(method)
        if need is None:
            raise exceptions.MethodNotAllowed(method)
        if not isinstance(request.user, User):
            return False
        scope = scope_of(need)
        if isinstance(request.auth, ApiToken) and scope not in request.auth.scopes:
            msg = f"This token lacks the scope {scope}: ask an administrator for one that has it."
            raise exceptions.PermissionDenied(msg)
        check(request.user, need)
        return True
