"""`manage.py api_token create|list|revoke`: the keys to the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from composition.guard import one_sentence
from composition.output import print_table
from finops import clock
from finops.api.models import ApiToken
from finops.api.tokens import SCOPES, TokenError, issue_token, revoke_token
from finops.models import User


class Command(BaseCommand):
    """Issue a token, show which there are, refuse one from now on."""

    help = "Tokens of the API. A new token is printed once, alone, on standard output."

    def add_arguments(self, parser: CommandParser) -> None:
        """One of three verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="issue a token")
        create.add_argument("--name", required=True, help="what uses it, for example billing-robot")
        create.add_argument("--owner", required=True, help="the user whose rights bound it")
        create.add_argument(
            "--scope",
            action="append",
            required=True,
            choices=tuple(SCOPES),
            dest="scopes",
            help="what it may do; give it again for more",
        )
        create.add_argument("--days", type=int, default=90, help="days until it expires (90)")
        verbs.add_parser("list", help="show the tokens, never a secret")
        revoke = verbs.add_parser("revoke", help="refuse a token from now on")
        revoke.add_argument("token_id", help="its public part, as list shows it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what the verb says."""
        with one_sentence():
            try:
                getattr(self, f"_{options['verb']}")(options)
            except TokenError as error:
                raise CommandError(str(error), returncode=2) from None

    def _create(self, options: dict[str, Any]) -> None:
        owner = User.objects.filter(username=options["owner"]).first()
        if owner is None:
            msg = f"There is no user {options['owner']!r}: make one in the admin first."
            raise TokenError(msg)
        now = clock.now()
        try:
            expires_at = now + timedelta(days=options["days"])
        except OverflowError:
            msg = f"--days {options['days']} lies beyond the calendar: choose fewer days."
            raise TokenError(msg) from None
        token, text = issue_token(
            name=options["name"],
            owner=owner,
            scopes=options["scopes"],
            expires_at=expires_at,
            now=now,
        )
        self.stderr.write(
            f"Token {token.token_id} of {owner.username}, until {token.expires_at:%Y-%m-%d %H:%M} UTC. "
            "It is printed this once:"
        )
        self.stdout.write(text)

    def _list(self, _options: dict[str, Any]) -> None:
        now = clock.now()
        rows = [
            (
                token.token_id,
                token.name,
                token.owner.username,
                ", ".join(token.scopes),
                token.state_at(now),
                f"{token.expires_at:%Y-%m-%d}",
                f"{token.last_used_at:%Y-%m-%d %H:%M}" if token.last_used_at else "never",
            )
            for token in ApiToken.objects.select_related("owner")
        ]
        names = ("id", "name", "owner", "scopes", "state", "expires", "last used")
        print_table(
            self.stdout, tuple((name, "left") for name in names), rows, title="Tokens of the API"
        )

    def _revoke(self, options: dict[str, Any]) -> None:
        token = revoke_token(token_id=options["token_id"], now=clock.now())
        self.stdout.write(f"Token {token.token_id} ({token.name}) is refused from now on.")
