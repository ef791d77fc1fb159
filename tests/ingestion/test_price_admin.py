"""Prices in the admin: who may, what is refused with a sentence, and that nothing is overwritten."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from ingestion.price_models import PriceListEntry

BACKEND = "django.contrib.auth.backends.ModelBackend"


def url(action: str = "changelist", *args: int) -> str:
    return reverse(f"admin:ingestion_pricelistentry_{action}", args=args)


@pytest.fixture
def as_erin(client: Client, erin) -> Client:
    client.force_login(erin, backend=BACKEND)
    return client


@pytest.fixture
def requests_price(db) -> PriceListEntry:
    return PriceListEntry.objects.get(meter="worker_requests")


FORM = {
    "meter": "worker_requests",
    "account": "023e105f",
    "currency": "USD",
    "unit": "million requests",
    "unit_size": "1000000",
    "unit_price": "0.20",
    "tiers": "above 100: 0.15",
    "included_quantity": "10",
    "rounding": "exact",
    "monthly_fee": "0",
    "minimum_charge": "0",
    "valid_from": "2026-03-01",
    "valid_until": "",
    "source": "Contract 4711",
    "source_read_on": "2026-02-20",
    "note": "",
    "reason": "Signed on 20 February.",
}


def text_of(response: HttpResponse) -> str:
    return response.content.decode()


@pytest.mark.parametrize("name", ["alice", "bob", "charlie", "dora"])
def test_only_the_group_admin_sees_or_writes_prices(client, request, name, requests_price):
    client.force_login(request.getfixturevalue(name), backend=BACKEND)
    for address in (url(), url("add"), url("change", requests_price.pk)):
        assert client.get(address, follow=True).status_code == 403
    assert client.post(url("add"), FORM, follow=True).status_code == 403
    assert not PriceListEntry.objects.filter(account="023e105f").exists()


def test_erin_adds_a_contract_price_and_her_name_stands_beside_it(as_erin, erin):
    assert as_erin.post(url("add"), FORM).status_code == 302
    entry = PriceListEntry.objects.get(account="023e105f")
    assert (entry.provider, entry.meter, entry.tiers) == (
        "Cloudflare",
        "worker_requests",
        "above 100: 0.15",
    )
    assert (entry.changed_by, entry.reason, entry.seeded) == (
        erin,
        "Signed on 20 February.",
        False,
    )
    page = text_of(as_erin.get(url()))
    assert "0.2 USD per million requests after 10, 0.15 above 100" in page
    assert "erin" in page


def test_a_change_makes_a_version_and_both_are_shown_with_their_reasons(
    as_erin, erin, requests_price
):
    form = {**FORM, "valid_from": "2026-06-01", "reason": "The vendor's new page."}
    response = as_erin.post(url("change", requests_price.pk), form)
    assert response.status_code == 302
    old, new = PriceListEntry.objects.filter(meter="worker_requests").order_by("id")
    assert (old.pk, old.unit_price, old.valid_until) == (
        requests_price.pk,
        Decimal("0.3"),
        date(2026, 6, 1),
    )
    assert (new.unit_price, new.account, new.replaces, new.changed_by) == (
        Decimal("0.2"),
        "",  # what is priced stays, whatever a form says
        old,
        erin,
    )
    page = text_of(as_erin.get(url("change", new.pk)))
    for sentence in (
        "The vendor&#x27;s new page.",
        "The vendor&#x27;s public price list.",
        "UTC by erin: The vendor",
    ):
        assert sentence in page
    assert "UTC by the product" in page
    assert "Cloudflare: Invocations of Workers" in page
    history = text_of(as_erin.get(url("history", old.pk)))
    assert f"Replaced by version {new.pk}: The vendor&#x27;s new page." in history
    assert LogEntry.objects.filter(object_id=str(new.pk), user=erin).exists()


def test_a_change_asks_anew_for_the_reason_and_the_day(as_erin, requests_price):
    page = as_erin.get(url("change", requests_price.pk))
    form = page.context["adminform"].form
    assert (form["reason"].value(), form["valid_from"].value()) == ("", None)
    assert (form["unit_price"].value(), form["monthly_fee"].value()) == ("0.3", "0")
    assert "2026-01-01, makes the change a correction" in text_of(page)


def test_a_corrected_version_can_be_read_and_not_changed(as_erin, requests_price):
    form = {**FORM, "valid_from": "2026-01-01", "reason": "A typing error."}
    assert as_erin.post(url("change", requests_price.pk), form).status_code == 302
    assert as_erin.get(url("change", requests_price.pk)).status_code == 200
    assert as_erin.post(url("change", requests_price.pk), form).status_code == 403
    assert PriceListEntry.objects.filter(meter="worker_requests").count() == 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"reason": ""}, "This field is required"),
        ({"reason": "  "}, "This field is required"),
        ({"source": ""}, "This field is required"),
        ({"account": ""}, "a price of “Invocations of Workers” for everyone from 2026-01-01 on"),
        ({"tiers": "cheap above 5"}, "is no tier: write it as above 10240: 0.085"),
        ({"included_quantity": "-1"}, "This cannot be negative"),
        ({"unit_price": "0.000000001"}, "no more than 8 decimal places"),
        ({"valid_from": "2026-03-02"}, "belong to whole months: write the 1st of one"),
        ({"valid_until": "2026-02-01"}, "must end after it begins"),
        ({"meter": "nope"}, "Select a valid choice"),
        ({"unit_size": "0"}, "A unit holds 1 or more"),
        ({"currency": "usd"}, "Write three capital letters"),
    ],
)
def test_a_bad_price_is_refused_on_the_form_in_one_sentence(as_erin, changes, sentence):
    page = as_erin.post(url("add"), {**FORM, **changes})
    assert page.status_code == 200
    assert sentence in text_of(page)
    assert not PriceListEntry.objects.exclude(seeded=True).exists()


def test_a_change_that_reaches_into_another_version_is_refused_on_the_form(as_erin):
    as_erin.post(url("add"), {**FORM, "valid_until": "2026-06-01"})
    as_erin.post(url("add"), {**FORM, "valid_from": "2026-06-01"})
    first, _second = PriceListEntry.objects.filter(account="023e105f").order_by("id")
    page = as_erin.post(url("change", first.pk), {**FORM, "unit_price": "0.1"})
    assert page.status_code == 200
    assert "from 2026-06-01 on" in text_of(page)
    assert PriceListEntry.objects.filter(account="023e105f").count() == 2


def test_prices_are_never_deleted(client, root, requests_price):
    client.force_login(root, backend=BACKEND)
    assert client.post(url("delete", requests_price.pk), {"post": "yes"}).status_code == 403
    bulk = {"action": "delete_selected", "_selected_action": [requests_price.pk], "post": "yes"}
    client.post(url(), bulk)
    assert PriceListEntry.objects.filter(pk=requests_price.pk).exists()


@pytest.mark.parametrize(
    ("state", "days"),
    [
        ("now", ["2026-06-01"]),
        ("later", ["2999-01-01"]),
        ("past", ["2026-03-01"]),
        ("replaced", ["2026-06-01"]),
    ],
)
def test_the_list_can_be_narrowed_to_what_holds(as_erin, state, days):
    as_erin.post(url("add"), {**FORM, "valid_until": "2026-06-01"})
    as_erin.post(url("add"), {**FORM, "valid_from": "2026-06-01"})
    wrong = PriceListEntry.objects.get(account="023e105f", valid_until=None)
    right = {**FORM, "valid_from": "2026-06-01", "valid_until": "2999-01-01", "unit_price": "0.1"}
    as_erin.post(url("change", wrong.pk), right)
    as_erin.post(url("add"), {**FORM, "valid_from": "2999-01-01"})
    page = as_erin.get(url(), {"state": state, "q": "023e105f"})
    found = [str(entry.valid_from) for entry in page.context["cl"].result_list]
    assert found == days


def test_a_version_that_was_closed_shows_the_end_that_it_was_written_with(as_erin):
    as_erin.post(url("add"), {**FORM, "valid_until": "2026-06-01"})
    entry = PriceListEntry.objects.get(account="023e105f")
    as_erin.post(url("change", entry.pk), {**FORM, "valid_until": "2026-07-01"})
    page = text_of(as_erin.get(url("change", entry.pk)))
    assert "corrected, holds on no day; was from 2026-03-01, written to end on 2026-06-01" in page


def test_every_field_of_the_form_says_what_it_is(as_erin):
    page = as_erin.get(url("add"))
    form = page.context["adminform"].form
    assert [name for name, field in form.fields.items() if not field.help_text] == []
