"""Tokens of the API in the admin: issued, looked at, revoked; never changed, never deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import ShowFacets
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import CheckboxSelectMultiple, ModelForm, MultipleChoiceField, ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from finops import clock
from finops.api.models import ApiToken
from finops.api.tokens import SCOPES, TokenError, check_token, issue_token, revoke_token
from finops.models import User
from finops.permissions import Person, holds_more

_ISSUED = "issued_token_text"


class TokenForm(ModelForm):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """Says at once what cannot be issued; ``actor`` is the person who asks."""

    actor: Person
    scopes = MultipleChoiceField(
        widget=CheckboxSelectMultiple,
        help_text="What it may do; never more than its owner may at the moment of each request.",
    )

    class Meta:
        model = ApiToken
        fields = ("name", "owner", "scopes", "expires_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "scopes" in self.fields:
            self.fields["scopes"].choices = [(scope, scope) for scope in SCOPES]  # type: ignore[attr-defined]  # a MultipleChoiceField
            self.fields["expires_at"].initial = clock.now() + timedelta(days=90)

    def clean(self) -> dict[str, Any]:
        """Refuse what the owner may not, and an owner who may more than the person here."""
        found = super().clean() or {}
        owner = found.get("owner")
        if isinstance(owner, User) and holds_more(owner, self.actor):
            msg = "This person may more than you, and so would the token: choose another owner."
            raise ValidationError({"owner": msg})
        if not self.errors and isinstance(owner, User):
            try:
                check_token(
                    name=found["name"],
                    owner=owner,
                    scopes=found["scopes"],
                    expires_at=found["expires_at"],
                    now=clock.now(),
                )
            except TokenError as error:
                raise ValidationError(str(error)) from None
        return found


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """Tokens. The text of one is in the answer to the form that issued it, and nowhere else."""

    form = TokenForm
    list_display = (
        "token_id",
        "name",
        "owner",
        "scopes",
        "state",
        "expires_at",
        "last_used_at",
        "created_by",
    )
    list_select_related = ("owner", "created_by")
    list_filter = ("owner",)
    search_fields = ("token_id", "name", "owner__username")
    show_facets = ShowFacets.NEVER
    actions = ("revoke",)
    exclude = ("secret_hash",)

    @admin.display(description="State")
    def state(self, token: ApiToken) -> str:
        """Whether it works now."""
        return token.state_at(clock.now())

    @admin.action(description="Revoke: refuse these tokens from now on", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """Revoke the chosen tokens."""
        for token in queryset:
            revoke_token(token_id=token.token_id, now=clock.now())
        self.message_user(request, f"{queryset.count()} revoked.")

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        """What is asked for; of a token that exists all that may be seen."""
        asked = ["name", "owner", "scopes", "expires_at"]
        seen = ["token_id", "state", "revoked_at", "last_used_at", "created_by", "created_at"]
        return asked + seen if obj else asked

    def get_readonly_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        """A token is what it was issued as."""
        return self.get_fields(request, obj) if obj else []

    def get_form(
        self, request: HttpRequest, obj: ApiToken | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """The form, told who asks."""
        form = super().get_form(request, obj, change, **kwargs)
        return type("TokenFormOfThisPerson", (form,), {"actor": request.user})

    def save_model(
        self, request: HttpRequest, obj: ApiToken, form: ModelForm[ApiToken], change: bool
    ) -> None:
        """Issue it; its text travels with this request alone."""
        if change or not isinstance(request.user, User):
            raise PermissionDenied
        issued, text = issue_token(
            name=obj.name,
            owner=obj.owner,
            scopes=obj.scopes,
            expires_at=obj.expires_at,
            now=clock.now(),
            created_by=request.user,
        )
        obj.pk, obj.token_id = issued.pk, issued.token_id
        setattr(request, _ISSUED, text)

    def response_add(
        self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The only page that ever shows the token: not by a message, which sessions and cookies keep."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Copy the token now",
            "opts": self.opts,
            "token": obj,
            "text": getattr(request, _ISSUED),
        }
        return TemplateResponse(request, "admin/finops/apitoken/issued.html", context)

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """Who may change tokens may revoke them, from the list; one by itself is only looked at."""
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """Never: a token is revoked, so that the trail keeps its name."""
        return False
