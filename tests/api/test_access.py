"""Who may call what: told by alice (finance), charlie (only Acme), dora (no group), erin (admin)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from finops import clock
from finops.api.models import ApiToken
from finops.api.routes import routes
from finops.api.tokens import SCOPES, scope_of
from finops.models import Tenant, User
from finops.permissions import COMPANY_WIDE, Capability
from tests.api.conftest import V1, client_of, client_with, record, token_of
from tests.dashboards.world import NOW, person

STORY = {
    "api-deliveries": ("deliveries", {"GET": Capability.VIEW_RECONCILIATION}),
    "api-delivery": ("deliveries/{delivery}", {"GET": Capability.VIEW_RECONCILIATION}),
    "api-delivery-rejects": (
        "deliveries/{delivery}/rejects",
        {"GET": Capability.VIEW_RECONCILIATION},
    ),
    "api-journal": ("journal?month=2026-03", {"GET": Capability.VIEW_RECONCILIATION}),
    "api-months": ("months", {"GET": Capability.VIEW_RECONCILIATION}),
    "api-pnl": ("pnl", {"GET": Capability.VIEW_PNL}),
    "api-reconciliation": ("reconciliation", {"GET": Capability.VIEW_RECONCILIATION}),
    "api-sources": ("sources", {"GET": Capability.VIEW_RECONCILIATION}),
    "api-usage": (
        "usage",
        {"GET": Capability.VIEW_CHARGE_LINES, "POST": Capability.SEND_USAGE},
    ),
}
"""Every route of the API with what each of its methods asks for: a route that is missing here fails."""

CALLS = [
    pytest.param(path, method, need, id=f"{method} {path}")
    for path, needs in STORY.values()
    for method, need in needs.items()
]


def call(client: Client, path: str, method: str):
    from ingestion.models import Delivery

    newest = Delivery.objects.first()
    url = f"{V1}/{path.format(delivery=newest.pk if newest else 1)}"
    if method == "GET":
        return client.get(url)
    return client.post(
        url,
        {"records": [record()]},
        content_type="application/json",
        headers={"Idempotency-Key": "story"},
    )


def holder(*capabilities: Capability, name: str = "gina", scope: str = "") -> User:
    user = person(name, scope=scope)
    codenames = [scope_of(capability) for capability in capabilities]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return User.objects.get(pk=user.pk)


def refused(response, status: int, *words: str) -> None:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == status
    for word in words:
        assert word in response.json()["detail"]


def test_every_route_is_in_this_story():
    found = {
        route.name: dict(route.callback.cls.needs)  # type: ignore[attr-defined]
        for route in routes()
    }
    assert found == {name: needs for name, (_, needs) in STORY.items()}


@pytest.mark.parametrize(("path", "method", "need"), CALLS)
def test_without_a_token_nothing_is_told(db, path, method, need, django_assert_num_queries):
    with django_assert_num_queries(1):  # the lookup of a delivery, which this test makes
        response = call(Client(), path, method)
    refused(response, 401, "carries no token")
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("path", "method", "need"), CALLS)
def test_a_session_is_no_token(db, path, method, need):
    client = Client()
    client.force_login(
        User.objects.create_superuser("root"),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    refused(call(client, path, method), 401, "carries no token")


@pytest.mark.parametrize(("path", "method", "need"), CALLS)
def test_a_token_that_ended_is_refused(db, path, method, need, monkeypatch):
    owner = holder(need)
    text = token_of(owner, days=3)
    later = clock.now() + timedelta(days=3)
    monkeypatch.setattr(clock, "now", lambda: later)
    refused(call(client_with(text), path, method), 401, "expired on")
    ApiToken.objects.update(revoked_at=NOW)
    refused(call(client_with(text), path, method), 401, "was revoked on 2026-04-30")


@pytest.mark.parametrize(("path", "method", "need"), CALLS)
def test_the_scope_must_name_it(db, path, method, need):
    other = Capability.EXPORT_FIGURES
    client = client_of(holder(need, other), scope_of(other))
    refused(call(client, path, method), 403, f"lacks the scope {scope_of(need)}")


@pytest.mark.parametrize(("path", "method", "need"), CALLS)
def test_a_token_may_no_more_than_its_owner_may_now(db, path, method, need):
    owner = holder(need)
    client = client_of(owner, scope_of(need))
    assert call(client, path, method).status_code in {200, 404}
    owner.user_permissions.clear()
    refused(call(client, path, method), 403, "You may not")


@pytest.mark.parametrize(("path", "method", "need"), CALLS)
def test_an_inactive_owner_has_no_tokens(db, path, method, need):
    owner = holder(need)
    client = client_of(owner)
    User.objects.filter(pk=owner.pk).update(is_active=False)
    refused(call(client, path, method), 401, "inactive")


@pytest.mark.parametrize(("path", "method", "need"), CALLS)
def test_people_limited_to_some_tenants_get_nothing_of_the_company(db, path, method, need):
    Tenant.objects.create(slug="acme", name="Acme", first_seen=NOW)
    owner = holder(need)
    client = client_of(owner)
    owner.tenant_scope.set(Tenant.objects.all())
    response = call(client, path, method)
    if need in COMPANY_WIDE:
        refused(response, 403, "limited to some tenants")
    else:
        assert response.status_code == 200


@pytest.mark.parametrize("path", [path for path, _ in STORY.values()])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"])
def test_no_other_method_exists(db, path, method):
    root = User.objects.create_superuser("root")
    response = client_of(root).generic(method, f"{V1}/{path.format(delivery=1)}")
    refused(response, 405, "see the header Allow")
    assert set(response["Allow"].split(", ")) <= {"GET", "HEAD", "POST"}


def test_every_capability_but_those_of_people_alone_is_a_scope():
    people = {Capability.ENTER_ADMIN, Capability.CLOSE_MONTH, Capability.VIEW_AUDIT}
    assert set(SCOPES.values()) == set(Capability) - people


def test_the_document_is_for_tokens_and_for_people_who_are_signed_in(db):
    url = f"{V1}/openapi.json"
    refused(Client().get(url), 401)
    assert client_of(holder(Capability.VIEW_PNL)).get(url).json()["openapi"] == "3.1.0"
    browser = Client()
    dora = person("dora")
    browser.force_login(dora, backend="django.contrib.auth.backends.ModelBackend")
    assert browser.get(url).status_code == 200
    refused(browser.post(url), 405)
    User.objects.filter(pk=dora.pk).update(is_active=False)
    refused(browser.get(url), 401)
