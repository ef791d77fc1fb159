"""Who sees which page: told by alice (finance), bob (approver), charlie (only Acme), dora (no group)."""

from __future__ import annotations

import pytest
from django.test import Client

from dashboards.navigation import nav_entries, patterns

PAGES = [
    "/",
    "/tenants/",
    "/tenants/acme/",
    "/tenants/acme/services/?category=Compute",
    "/tenants/acme/lines/",
    "/unallocated/lines/",
    "/workers-cpu/",
    "/egress/",
    "/time-stamps/",
    "/audit-log/",
    "/month-close/",
    "/reconciliation/",
    "/reconciliation/focus-1.2/?period=2026-04",
    "/data-health/",
    "/data-health/work/",
    "/data-health/put-aside/",
    "/data-health/restatements/1/",
    "/data-health/deliveries/1/rejects/",
]
COMPANY_ONLY = ["/unallocated/lines/", *PAGES[-12:]]
DOWNLOADS = ["/month-close/2026-03/journal.csv"]
CLOSING = ["/month-close/2026-03/close/", "/month-close/2026-03/reopen/"]
ABSENT = 2
"""The last pages are about rows that this company does not have."""
ACTIONS = [
    "/data-health/connections/bills/load/",
    "/data-health/backfill/",
    "/data-health/alerts/1/acknowledge/",
    "/data-health/deliveries/1/again/",
    "/data-health/objects/1/again/",
    "/data-health/jobs/1/cancel/",
    "/data-health/jobs/1/retry/",
]


def test_every_page_is_in_this_story():
    assert len(patterns()) == len(PAGES) + len(ACTIONS) + len(DOWNLOADS) + len(CLOSING)
    assert [entry.label for entry in nav_entries()] == [
        "Overview",
        "Tenants",
        "Workers CPU",
        "Egress",
        "Time stamps",
        "Reconciliation",
        "Month close",
        "Data health",
        "Audit log",
        "Admin",
    ]


@pytest.mark.parametrize("url", PAGES)
@pytest.mark.parametrize("ending", ["", "format=csv"])
def test_a_stranger_is_sent_to_sign_in(db, url, ending, django_assert_num_queries):
    joined = f"{url}{'&' if '?' in url else '?'}{ending}" if ending else url
    with django_assert_num_queries(0):
        response = Client().get(joined)
    assert response.status_code == 302
    assert response["Location"].startswith("/sign-in/?next=")


def test_finance_and_approvers_see_every_page(alice, bob):
    for client in (alice, bob):
        assert [client.get(url).status_code for url in PAGES[:-ABSENT]] == [200] * len(
            PAGES[:-ABSENT]
        )


@pytest.mark.parametrize("url", ACTIONS)
def test_only_who_operates_loads_may_push_a_button(  # noqa: PLR0917  # everyone there is
    url, alice, bob, charlie, dora, erin
):
    stranger = Client().post(url)
    assert stranger.status_code == 302
    assert stranger["Location"].startswith("/sign-in/")
    for client in (alice, bob, charlie, dora):
        refused = client.post(url)
        assert refused.status_code == 403
        assert b"You may not start, retry or cancel loads" in refused.content
    assert erin.post(url).status_code in {302, 404}
    assert erin.get(url).status_code == 405
    assert Client(enforce_csrf_checks=True).post(url).status_code == 403


@pytest.mark.parametrize("url", CLOSING)
def test_only_who_closes_months_may_push_their_buttons(  # noqa: PLR0917  # everyone there is
    url, alice, bob, charlie, dora, erin
):
    assert Client().post(url)["Location"].startswith("/sign-in/")
    for client in (alice, bob, charlie, dora):
        refused = client.post(url)
        assert refused.status_code == 403
        assert b"You may not close or reopen months" in refused.content
    assert erin.post(url).status_code == 409
    assert erin.get(url).status_code == 405
    assert erin.post(url.replace("2026-03", "soon")).status_code == 404
    assert Client(enforce_csrf_checks=True).post(url).status_code == 403


def test_a_journal_is_for_who_sees_the_company_and_may_export(company, as_person):
    from django.contrib.auth.models import Permission

    from tests.dashboards.world import person

    (url,) = DOWNLOADS
    assert Client().get(url)["Location"].startswith("/sign-in/")
    charlie = as_person(person("charlie", "finance", scope="acme"))
    assert charlie.get(url).status_code == 403
    reader = person("gina")
    reader.user_permissions.set(Permission.objects.filter(codename="view_reconciliation"))
    refused = as_person(reader).get(url)
    assert refused.status_code == 403
    assert b"You may not export figures" in refused.content
    told = as_person(person("alice", "finance")).get(url, follow=True)
    assert b"2026-03 is not closed" in told.content


def test_dora_sees_no_page_and_reads_why(dora):
    for url in PAGES:
        response = dora.get(url)
        assert response.status_code == 403, url
        assert b"You may not see" in response.content
        assert b"ask an administrator" in response.content


def test_charlie_sees_acme_and_nothing_of_the_company(charlie):
    for url in ("/?period=2026-04", "/tenants/?period=2026-04", "/tenants/acme/?period=2026-04"):
        page = charlie.get(url).content.decode()
        for secret in ("Globex", "Initech", "allocated", "97.81", "Company"):
            assert secret not in page, (url, secret)
    page = charlie.get("/?period=2026-04").content.decode()
    assert "Gross margin of your tenants is" in page
    assert 'href="/reconciliation' not in page


def test_charlie_is_told_that_company_pages_are_not_for_him(charlie):
    for url in COMPANY_ONLY:
        response = charlie.get(url)
        assert response.status_code == 403, url
        assert b"limited to some tenants" in response.content


def test_another_tenant_does_not_exist_for_charlie(charlie):
    for rest in ("", "services/?category=Compute", "lines/"):
        assert charlie.get(f"/tenants/globex/{rest}").status_code == 404
        assert charlie.get(f"/tenants/nowhere/{rest}").status_code == 404


def test_charlies_export_holds_acme_only(charlie):
    text = charlie.get("/tenants/?period=2026-04&format=csv").content.decode("utf-8-sig")
    assert [line.split(",")[0] for line in text.splitlines()[1:]] == ["Acme", "Your tenants"]


def test_an_export_needs_its_own_right(company, as_person):
    from django.contrib.auth.models import Permission

    from tests.dashboards.world import person

    reader = person("gina")
    reader.user_permissions.set(Permission.objects.filter(codename="view_pnl"))
    client = as_person(reader)
    page = client.get("/tenants/")
    assert page.status_code == 200
    assert b"format=csv" not in page.content
    refused = client.get("/tenants/?format=csv")
    assert refused.status_code == 403
    assert b"You may not export figures" in refused.content


def test_the_navigation_holds_what_one_may_open(alice, erin, dora):
    def rooms(client: Client) -> list[str]:
        page = client.get("/").content.decode()
        return [entry.label for entry in nav_entries() if f">{entry.label}</a></li>" in page]

    assert rooms(alice) == [
        "Overview",
        "Tenants",
        "Workers CPU",
        "Egress",
        "Time stamps",
        "Reconciliation",
        "Month close",
        "Data health",
        "Audit log",
    ]
    assert rooms(erin) == [
        "Overview",
        "Tenants",
        "Workers CPU",
        "Egress",
        "Time stamps",
        "Reconciliation",
        "Month close",
        "Data health",
        "Audit log",
        "Admin",
    ]
    assert rooms(dora) == []


def test_error_pages_say_what_to_do(alice, db):
    missing = alice.get("/nowhere/")
    assert missing.status_code == 404
    assert b"There is no such page" in missing.content
    stranger = Client().get("/nowhere/")
    assert stranger.status_code == 404
    assert b"Rooms" in stranger.content


def test_the_page_of_a_crash_needs_nothing(rf):
    from django.views.defaults import server_error

    page = server_error(rf.get("/")).content
    assert b"Something went wrong here" in page


def test_signing_in_wrongly_is_told_and_leads_on_rightly(company):
    from tests.dashboards.world import PASSWORD, person

    person("hugo", "finance")
    client = Client()
    wrong = client.post("/sign-in/", {"username": "hugo", "password": "no"})
    assert wrong.status_code == 200
    assert b'role="alert"' in wrong.content
    asked = {"username": "hugo", "password": PASSWORD, "next": "/tenants/?period=7d"}
    right = client.post("/sign-in/", asked)
    assert right["Location"] == "/tenants/?period=7d"
    assert client.post("/sign-out/").status_code == 302
    assert client.get("/").status_code == 302
