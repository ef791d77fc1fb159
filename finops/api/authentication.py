"""Who asks: a bearer token (RFC 6750), and nothing else but for the API's own document.

A browser's session is no way in: without cookies there is nothing that another site could ride on.
"""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request

from finops import clock
from finops.api.models import ApiToken
from finops.api.throttles import refuse_guessing
from finops.api.tokens import note_use
from finops.core.tokens import is_secret, read_token
from finops.models import User

_NO_HASH = "0" * 64
_REALM = 'Bearer realm="finops"'


class BearerAuthentication(BaseAuthentication):
    """``Authorization: Bearer fce_<id>_<secret>``; ``request.auth`` is the ``ApiToken``."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken]:
        """The owner and the token. Raises 401, or 429 where one address fails too often."""
        try:
            return self._authenticate(request)
        except (AuthenticationFailed, NotAuthenticated):
            refuse_guessing(request)
            raise

    def _authenticate(self, request: Request) -> tuple[User, ApiToken]:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header:
            msg = "This request carries no token: send it in the header Authorization: Bearer fce_…"
            raise NotAuthenticated(msg)
        scheme, _, text = header.partition(" ")
        parts = read_token(text.strip()) if scheme.lower() == "bearer" else None
        if parts is None:
            msg = "The header Authorization holds no token of this product: write Bearer fce_<id>_<secret>."
            raise AuthenticationFailed(msg)
        token = ApiToken.objects.select_related("owner").filter(token_id=parts.id).first()
        # Compared also where there is no such token, so that time does not tell which ids exist.
        if not is_secret(parts.secret, token.secret_hash if token else _NO_HASH) or token is None:
            msg = "This token is not known here: check that it was copied whole, or ask an administrator for one."
            raise AuthenticationFailed(msg)
        now = clock.now()
        state = token.state_at(now)
        if state != "active":
            when = token.revoked_at or token.expires_at
            verb = "was revoked" if state == "revoked" else "expired"
            msg = f"This token {verb} on {when:%Y-%m-%d}: ask an administrator for a new one."
            raise AuthenticationFailed(msg)
        if not token.owner.is_active:
            msg = "The account that owns this token is inactive: ask an administrator."
            raise AuthenticationFailed(msg)
        note_use(token, now)
        return token.owner, token

    def authenticate_header(self, _request: Request) -> str:
        """What a 401 says of the way in."""
        return _REALM


class SignedIn(BaseAuthentication):
    """A person who is signed in, for the API's own document only: reading it changes nothing."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        """The person; ``None`` where a token is sent, or nobody is signed in."""
        user = request._request.user  # Django's own session, which DRF hides
        sent = "HTTP_AUTHORIZATION" in request.META
        return (user, None) if isinstance(user, User) and user.is_active and not sent else None

    def authenticate_header(self, _request: Request) -> str:
        """The way in for everything else."""
        return _REALM
