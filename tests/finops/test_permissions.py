"""Who may see and do what."""

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import connection
from django.http import HttpResponse
from django.test import RequestFactory

from finops import audit_triggers
from finops.models import Tenant
from finops.permissions import Capability, can, check, require, sees_company, visible_tenants
from tests.finops.conftest import fresh, person

READING = {
    Capability.VIEW_PNL,
    Capability.VIEW_CHARGE_LINES,
    Capability.VIEW_RECONCILIATION,
    Capability.EXPORT_FIGURES,
    Capability.VIEW_AUDIT,
}


def holds(user) -> set[Capability]:
    return {capability for capability in Capability if can(user, capability)}


def slugs(user) -> list[str]:
    return [tenant.slug for tenant in visible_tenants(user)]


def test_alice_of_finance_reads_all_and_administers_nothing(alice, acme, globex):
    assert holds(alice) == READING
    assert sees_company(alice)
    assert slugs(alice) == ["acme", "globex"]
    assert can(alice, Capability.VIEW_PNL, globex)


def test_bob_the_approver_reads_what_alice_reads(alice, bob):
    assert holds(bob) == holds(alice)


def test_frank_who_leads_finance_also_closes_months(alice):
    frank = person("frank", "finance-lead")
    assert holds(frank) == holds(alice) | {Capability.CLOSE_MONTH}


def test_charlie_sees_his_tenant_and_nothing_that_adds_up_the_company(charlie, acme, globex):
    assert holds(charlie) == READING - {Capability.VIEW_RECONCILIATION, Capability.VIEW_AUDIT}
    assert not sees_company(charlie)
    assert slugs(charlie) == ["acme"]
    assert can(charlie, Capability.VIEW_PNL, acme)
    assert not can(charlie, Capability.VIEW_PNL, globex)
    assert not can(charlie, Capability.EXPORT_FIGURES, globex)


def test_dora_without_a_group_sees_nothing(dora, acme):
    assert holds(dora) == set()
    assert slugs(dora) == []


def test_dora_with_a_scope_alone_still_sees_nothing(dora, acme):
    dora.tenant_scope.add(acme)
    assert slugs(fresh(dora)) == []


def test_erin_of_the_group_admin_holds_everything(erin, acme):
    assert holds(erin) == set(Capability)
    assert not erin.is_staff
    assert not erin.is_superuser


def test_an_admin_limited_to_a_tenant_may_not_enter_the_admin(erin, acme):
    erin.tenant_scope.add(acme)
    assert not can(fresh(erin), Capability.ENTER_ADMIN)


def test_a_superuser_has_no_scope(root, acme, globex):
    root.tenant_scope.add(acme)
    assert holds(root) == set(Capability)
    assert sees_company(root)
    assert slugs(root) == ["acme", "globex"]


def test_nobody_anonymous_sees_anything(acme):
    anonymous = AnonymousUser()
    assert holds(anonymous) == set()
    assert not sees_company(anonymous)
    assert slugs(anonymous) == []


def test_an_inactive_person_sees_nothing(alice, root, acme):
    for user in (alice, root):
        user.is_active = False
        user.save()
        assert holds(fresh(user)) == set()
        assert not sees_company(fresh(user))
        assert slugs(fresh(user)) == []


def test_scope_is_asked_once_a_request(charlie, acme, globex, django_assert_num_queries):
    user = fresh(charlie)
    can(user, Capability.VIEW_PNL)
    with django_assert_num_queries(0):
        for tenant in (acme, globex):
            can(user, Capability.VIEW_CHARGE_LINES, tenant)
        sees_company(user)
    with django_assert_num_queries(1):
        assert slugs(user) == ["acme"]


@require(Capability.VIEW_PNL)
def pnl(request, slug="all"):
    return HttpResponse(slug)


@require(Capability.VIEW_PNL, company=True)
def overview(request):
    return HttpResponse("company")


@require(Capability.VIEW_RECONCILIATION)
def reconciliation(request):
    return HttpResponse("reconciliation")


def ask(view, user, **kwargs) -> str:
    request = RequestFactory().get("/")
    request.user = fresh(user) if user.pk else user
    return str(view(request, **kwargs).content.decode())


def test_a_guarded_view_answers_who_may_see_it(alice, charlie):
    assert ask(pnl, alice, slug="acme") == "acme"
    assert ask(pnl, charlie) == "all"
    assert ask(overview, alice) == "company"
    assert ask(reconciliation, alice) == "reconciliation"


def test_a_guarded_view_refuses_with_a_sentence(dora, charlie):
    with pytest.raises(PermissionDenied, match="ask an administrator"):
        ask(pnl, dora)
    with pytest.raises(PermissionDenied, match="ask an administrator"):
        ask(pnl, AnonymousUser())
    for view in (overview, reconciliation):
        with pytest.raises(PermissionDenied, match="limited to some tenants"):
            ask(view, charlie)


def test_a_person_without_the_capability_is_not_told_about_scopes(dora, acme):
    dora.tenant_scope.add(acme)
    with pytest.raises(PermissionDenied, match="You may not see the reconciliation"):
        check(fresh(dora), Capability.VIEW_RECONCILIATION, company=True)


def test_groups_come_with_the_migrations(db):
    assert set(Group.objects.values_list("name", flat=True)) == {
        "finance",
        "finance-lead",
        "approver",
        "admin",
    }


def test_the_groups_permissions_are_the_declared_ones_after_every_migrate(alice):
    finance = Group.objects.get(name="finance")
    before = set(finance.permissions.all())
    finance.permissions.set(Group.objects.get(name="admin").permissions.all())
    call_command("migrate", verbosity=0)
    assert set(finance.permissions.all()) == before


@pytest.mark.django_db(transaction=True)
def test_groups_survive_a_flush():
    audit_triggers.remove(connection)  # the audit log refuses to be emptied
    call_command("flush", interactive=False, verbosity=0)
    assert holds(person("frank", "admin")) == set(Capability)
    assert holds(person("grace", "finance")) == READING


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_groups_migration_goes_back_and_forth():
    try:
        call_command("migrate", "finops", "0001", verbosity=0)
        assert not Group.objects.exists()
        call_command("migrate", "finops", "0002", verbosity=0)
        assert Group.objects.count() == 4
        assert Group.objects.get(name="finance").permissions.count() == len(READING)
    finally:
        call_command("migrate", verbosity=0)
    assert holds(person("frank", "admin")) == set(Capability)
    assert Tenant.objects.count() == 0
