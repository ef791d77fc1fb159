"""Who enters the admin, and what they can and cannot make of it."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from allocation.models import RecognisedRevenue
from finops.models import SettingOverride, Tenant, User
from finops.selectors import effective_setting
from ingestion.models import Delivery, Load, LoadTotal, RejectedRow, RevenueRow, Source
from tests.finops.conftest import PASSWORD, fresh, person

NOW = datetime(2026, 4, 2, 3, 4, tzinfo=UTC)


@pytest.fixture
def as_erin(client, erin):
    client.force_login(erin, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def as_root(client, root):
    client.force_login(root, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def source(db) -> Source:
    return Source.objects.create(
        slug="aws-main", kind="aws_cur", identity="arn:1", name="AWS", created_at=NOW
    )


@pytest.fixture
def load(source) -> Load:
    delivery = Delivery.objects.create(
        source=source, key="a/Manifest.json", billing_period=date(2026, 4, 1), discovered_at=NOW
    )
    RejectedRow.objects.create(delivery=delivery, file="a.csv", line=2, reason="No.", text="x=1")
    load = Load.objects.create(
        source=source, delivery=delivery, billing_period=date(2026, 4, 1), started_at=NOW
    )
    LoadTotal.objects.create(
        load=load, billing_currency="USD", lines=1, rejected_lines=0,
        source_total_head=Decimal("-1.54361908"), source_total_tail=1700000000,
        ingested_head=Decimal("-1.54361908"), ingested_tail=1700000000,
        rejected_head=0, rejected_tail=0, rounding_head=0, rounding_tail=1700000000,
        allocated=Decimal("1234.5"), unallocated=Decimal("-1236.04361908"),
    )  # fmt: skip
    return load


def url(model, action: str = "changelist", *args) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{action}", args=args)


def user_form(user: User, **changes) -> dict[str, object]:
    return {
        "username": user.username, "first_name": "", "last_name": "", "email": "",
        "is_active": "on", "groups": [], "tenant_scope": [], **changes,
    }  # fmt: skip


# --- entering ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alice", "bob", "charlie", "dora"])
def test_others_are_refused_with_a_page_not_with_a_second_form(client, request, name):
    client.force_login(
        request.getfixturevalue(name), backend="django.contrib.auth.backends.ModelBackend"
    )
    response = client.get("/admin/", follow=True)
    assert response.status_code == 403
    assert "You may not enter the admin" in response.content.decode()
    assert client.get(url(User), follow=True).status_code == 403


@pytest.mark.django_db
def test_nobody_anonymous_gets_past_the_one_sign_in_page(client):
    response = client.get(url(Tenant), follow=True)
    assert response.redirect_chain[-1][0] == f"/sign-in/?next={url(Tenant)}"
    assert (
        client.post("/admin/login/", {"username": "root", "password": PASSWORD}).status_code == 302
    )


def test_the_admins_own_login_never_leads_to_another_site(as_erin):
    assert as_erin.get("/admin/login/?next=//evil.example/").headers["Location"] == "/admin/"
    assert as_erin.get(f"/admin/login/?next={url(Tenant)}").headers["Location"] == url(Tenant)


def test_staff_without_the_right_is_refused(client, db):
    staff = person("sam", is_staff=True)
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/admin/", follow=True).status_code == 403


def test_erin_enters_by_her_group_and_leaves_to_the_sign_in_page(as_erin):
    page = as_erin.get("/admin/")
    assert page.status_code == 200
    assert "FinOps administration" in page.content.decode()
    assert as_erin.post("/admin/logout/")["Location"] == "/sign-in/"


@pytest.mark.parametrize("name", ["erin", "root"])
def test_every_page_of_the_admin_opens(client, request, name, acme, load):
    who = request.getfixturevalue(name)
    client.force_login(who, backend="django.contrib.auth.backends.ModelBackend")
    RevenueRow.objects.create(
        tenant=acme, service_start=date(2026, 4, 1), service_end=date(2026, 5, 1),
        amount=Decimal("1000.5"), currency="USD", invoice_id="I-1",
    )  # fmt: skip
    SettingOverride.objects.create(name="MARGIN_GOAL", tenant=acme, value="0.5", reason="x")
    for model, model_admin in admin.site._registry.items():
        page = client.get(url(model))
        assert page.status_code == 200, model
        assert (
            client.get(url(model), {"q": "a"} if model_admin.search_fields else {}).status_code
            == 200
        )
        adding = client.get(url(model, "add"))
        assert adding.status_code in {200, 403}
        for row in model._default_manager.all()[:2]:
            assert client.get(url(model, "change", row.pk)).status_code == 200, row
            assert client.get(url(model, "history", row.pk)).status_code == 200, row


# --- people --------------------------------------------------------------------------------------


def test_erin_adds_a_person_and_gives_what_she_holds(as_erin, acme):
    form = {
        "username": "frank",
        "usable_password": "true",
        "password1": PASSWORD,
        "password2": PASSWORD,
    }
    assert as_erin.post(url(User, "add"), form).status_code == 302
    frank = User.objects.get(username="frank")
    groups = list(Group.objects.filter(name="finance").values_list("pk", flat=True))
    data = user_form(frank, groups=groups, tenant_scope=[acme.pk])
    assert as_erin.post(url(User, "change", frank.pk), data).status_code == 302
    frank = fresh(frank)
    assert [group.name for group in frank.groups.all()] == ["finance"]
    assert [tenant.slug for tenant in frank.tenant_scope.all()] == ["acme"]


def test_erin_makes_nobody_superuser_and_gives_no_single_permissions(as_erin, erin, dora):
    every = list(Permission.objects.values_list("pk", flat=True))
    for user in (dora, erin):
        groups = list(user.groups.values_list("pk", flat=True))
        data = user_form(
            user, groups=groups, is_superuser="on", is_staff="on", user_permissions=every
        )
        assert as_erin.post(url(User, "change", user.pk), data).status_code == 302
        changed = fresh(user)
        assert not changed.is_superuser
        assert not changed.is_staff
        assert not changed.user_permissions.exists()
    page = as_erin.get(url(User, "change", dora.pk)).content.decode()
    assert "is_superuser" not in page
    assert "user_permissions" not in page


def test_erin_adds_nobody_as_superuser(as_erin):
    form = {
        "username": "frank", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD,
        "is_superuser": "on", "is_staff": "on",
    }  # fmt: skip
    as_erin.post(url(User, "add"), form)
    assert not User.objects.get(username="frank").is_superuser


def test_erin_gives_no_group_that_holds_more_than_she_does(as_erin, dora):
    powerful = Group.objects.create(name="owners")
    powerful.permissions.set(Permission.objects.all())
    response = as_erin.post(url(User, "change", dora.pk), user_form(dora, groups=[powerful.pk]))
    assert response.status_code == 200
    assert "not one of the available choices" in response.content.decode()
    assert not fresh(dora).groups.exists()


def test_erin_takes_over_nobody_who_holds_more(as_erin, root, db):
    powerful = Group.objects.create(name="owners")
    powerful.permissions.set(Permission.objects.all())
    owner = person("olga", "owners")
    sleeping = person("ivan", is_superuser=True, is_active=False)
    quiet = person("uma", "owners", is_active=False)
    for user in (root, owner, sleeping, quiet):
        before = user.password
        assert as_erin.get(url(User, "change", user.pk)).status_code == 200  # to look at
        assert as_erin.post(url(User, "change", user.pk), user_form(user)).status_code == 403
        password_url = reverse("admin:auth_user_password_change", args=[user.pk])
        new = {
            "password1": "taken-over-4711",
            "password2": "taken-over-4711",
            "usable_password": "true",
        }
        assert as_erin.get(password_url).status_code == 403
        assert as_erin.post(password_url, new).status_code == 403
        assert fresh(user).password == before


def test_erin_may_set_the_password_of_who_holds_no_more(as_erin, alice):
    password_url = reverse("admin:auth_user_password_change", args=[alice.pk])
    new = {
        "password1": "renewed-by-erin-4711",
        "password2": "renewed-by-erin-4711",
        "usable_password": "true",
    }
    assert as_erin.post(password_url, new).status_code == 302
    assert fresh(alice).check_password("renewed-by-erin-4711")


def test_nobody_is_deleted(as_root, alice):
    assert as_root.post(url(User, "delete", alice.pk), {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=alice.pk).exists()


def test_erin_reads_groups_and_changes_none(as_erin):
    group = Group.objects.get(name="finance")
    assert as_erin.get(url(Group)).status_code == 200
    assert as_erin.post(url(Group, "change", group.pk), {"name": "x"}).status_code == 403
    assert as_erin.get(url(Group, "add")).status_code == 403
    assert as_erin.post(url(Group, "delete", group.pk), {"post": "yes"}).status_code == 403


def test_a_superuser_makes_groups_but_the_products_own_stay(as_root):
    assert as_root.post(url(Group, "add"), {"name": "auditors"}).status_code == 302
    finance = Group.objects.get(name="finance")
    assert as_root.post(url(Group, "change", finance.pk), {"name": "x"}).status_code == 403
    assert as_root.post(url(Group, "delete", finance.pk), {"post": "yes"}).status_code == 403


def test_a_superuser_may_make_superusers(as_root, dora):
    data = user_form(dora, is_superuser="on")
    assert as_root.post(url(User, "change", dora.pk), data).status_code == 302
    assert fresh(dora).is_superuser


def test_passwords_cannot_be_searched_for(as_erin):
    assert as_erin.get(url(User), {"password__startswith": "pbkdf2"}).status_code == 400


# --- tenants and settings ------------------------------------------------------------------------


def test_erin_confirms_a_discovered_tenant_and_cannot_rename_its_tag(as_erin, acme):
    Tenant.objects.update(discovered=True)
    form = {"slug": "other", "name": "Acme Inc.", "is_active": "on"}
    assert as_erin.post(url(Tenant, "change", acme.pk), form).status_code == 302
    acme.refresh_from_db()
    assert (acme.slug, acme.name, acme.discovered) == ("acme", "Acme Inc.", False)


def test_erin_adds_a_tenant(as_erin):
    form = {"slug": "initech", "name": "Initech", "is_active": "on"}
    assert as_erin.post(url(Tenant, "add"), form).status_code == 302
    assert Tenant.objects.get(slug="initech").first_seen is not None


def test_a_tenant_is_not_deleted_lest_its_reader_sees_the_company(as_root, acme):
    assert as_root.post(url(Tenant, "delete", acme.pk), {"post": "yes"}).status_code == 403
    assert Tenant.objects.filter(pk=acme.pk).exists()


def test_erin_overrides_the_goal_and_her_name_stands_beside_it(as_erin, erin, acme):
    form = {"name": "MARGIN_GOAL", "tenant": acme.pk, "value": "0.65", "reason": "New contract."}
    assert as_erin.post(url(SettingOverride, "add"), form).status_code == 302
    override = SettingOverride.objects.get()
    assert override.changed_by == erin
    assert effective_setting("MARGIN_GOAL", acme).value == Decimal("0.65")
    page = as_erin.get(url(SettingOverride, "change", override.pk)).content.decode()
    assert "MARGIN_GOAL 0.7 (share of revenue" in page
    assert "0.65 (this tenant&#x27;s own)" in page


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"value": "1.5"}, "must be a number from 0 to 1"),
        ({"reason": ""}, "This field is required"),
        ({"name": "NOPE"}, "Select a valid choice"),
    ],
)
def test_a_bad_override_is_refused_with_its_limits(as_erin, changes, sentence):
    form = {"name": "MARGIN_GOAL", "tenant": "", "value": "0.6", "reason": "x", **changes}
    page = as_erin.post(url(SettingOverride, "add"), form)
    assert page.status_code == 200
    assert sentence in page.content.decode()
    assert not SettingOverride.objects.exists()


def test_a_second_override_for_everyone_is_refused_on_the_form(as_erin):
    form = {"name": "MARGIN_GOAL", "tenant": "", "value": "0.6", "reason": "x"}
    as_erin.post(url(SettingOverride, "add"), form)
    assert as_erin.post(url(SettingOverride, "add"), form).status_code == 200
    assert SettingOverride.objects.count() == 1


# --- deliveries and revenue ----------------------------------------------------------------------


@pytest.mark.parametrize("model", [Delivery, Load, RejectedRow])
def test_the_trail_is_read_only_even_for_superusers(as_root, load, model):
    row = model.objects.get()
    assert as_root.get(url(model, "add")).status_code == 403
    assert as_root.post(url(model, "change", row.pk), {}).status_code == 403
    assert as_root.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403


def test_a_load_shows_its_totals_to_the_last_digit_and_in_cents(as_erin, load):
    page = as_erin.get(url(Load, "change", load.pk)).content.decode()
    assert "-1.5436190783" in page
    assert "1,234.50 USD" in page


def test_what_a_source_is_called_by_its_provider_is_set_once(as_erin, source):
    form = {
        "slug": "x",
        "kind": "x",
        "identity": "x",
        "name": "Main bill",
        "expected_every_hours": "24",
    }
    assert as_erin.post(url(Source, "change", source.pk), form).status_code == 302
    source.refresh_from_db()
    assert (source.slug, source.kind, source.identity) == ("aws-main", "aws_cur", "arn:1")
    assert (source.name, source.expected_every_hours) == ("Main bill", 24)


REVENUE = {
    "service_start": "2026-04-01",
    "service_end": "2026-05-01",
    "amount": "3000",
    "currency": "USD",
    "invoice_id": "I-1",
    "line_id": "",
}


def test_revenue_that_is_typed_in_is_recognised_at_once_and_again_when_changed(
    as_erin, acme, globex
):
    assert as_erin.post(url(RevenueRow, "add"), {**REVENUE, "tenant": acme.pk}).status_code == 302
    row = RevenueRow.objects.get()
    assert RecognisedRevenue.objects.filter(tenant=acme, amount=100).count() == 30
    changed = {**REVENUE, "tenant": globex.pk, "amount": "1500.00000001"}
    assert as_erin.post(url(RevenueRow, "change", row.pk), changed).status_code == 302
    days = RecognisedRevenue.objects.filter(tenant=globex)
    assert days.count() == RecognisedRevenue.objects.count() == 30
    assert sum(day.amount for day in days) == Decimal("1500.00000001")
    assert "1,500.00 USD" in as_erin.get(url(RevenueRow)).content.decode()
    assert as_erin.post(url(RevenueRow, "delete", row.pk), {"post": "yes"}).status_code == 302
    assert not RecognisedRevenue.objects.exists()


def test_imported_revenue_is_corrected_by_its_source_not_deleted(as_erin, acme, load):
    row = RevenueRow.objects.create(
        tenant=acme, service_start=date(2026, 4, 1), service_end=date(2026, 5, 1), amount=1,
        currency="USD", invoice_id="I-1", delivery=load.delivery,
    )  # fmt: skip
    assert as_erin.post(url(RevenueRow, "delete", row.pk), {"post": "yes"}).status_code == 403
    bulk = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    as_erin.post(url(RevenueRow), bulk)
    assert RevenueRow.objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize("amount", ["0.000000001", "abc", "99999999999999"])
def test_an_amount_that_would_lose_digits_is_refused_on_the_form(as_erin, acme, amount):
    page = as_erin.post(url(RevenueRow, "add"), {**REVENUE, "tenant": acme.pk, "amount": amount})
    assert page.status_code == 200
    assert not RevenueRow.objects.exists()
