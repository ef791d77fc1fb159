"""Contracts in the admin: refused with a sentence, changed as a version, never deleted."""

from __future__ import annotations

from typing import Any

import pytest

from ingestion.tsa_models import TenantAssets, TsaContract

ADD = "/admin/ingestion/tsacontract/add/"
FORM = {
    "name": "Stamps 2026",
    "service_provider_name": "Some TSA",
    "account": "",
    "currency": "EUR",
    "valid_from": "2026-01-01",
    "valid_until": "2027-01-01",
    "commitment": "120000",
    "fee": "9600",
    "overage_price": "0.10",
    "tiers": "above 50000: 0.08",
    "reason": "signed",
}


@pytest.fixture
def erin(db, client):
    from tests.dashboards.world import person

    client.force_login(person("erin", "admin"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(client: Any, url: str, **changed: str) -> str:
    return str(client.post(url, {**FORM, **changed}, follow=True).content.decode())


def test_a_contract_is_added_and_changed_as_a_new_version(erin):
    page(erin, ADD)
    first = TsaContract.objects.get()
    assert first.changed_by is not None
    change = f"/admin/ingestion/tsacontract/{first.pk}/change/"
    assert "This field is required" in page(erin, change, reason="")
    page(erin, change, fee="9000", reason="amended")
    second = TsaContract.objects.get(is_current=True)
    assert (str(second.fee.normalize()), second.replaces_id) == ("9E+3", first.pk)
    assert erin.post(f"/admin/ingestion/tsacontract/{first.pk}/delete/").status_code == 403


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"valid_from": "2026-01-02"}, "write the 1st of one"),
        ({"tiers": "from 5: 1"}, "is no tier"),
        ({"fee": "-1"}, "cannot be negative"),
        ({"valid_until": "2025-01-01"}, "must end after it begins"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field(erin, changed, words):
    assert words in page(erin, ADD, **changed)
    assert not TsaContract.objects.exists()


def test_a_second_contract_of_the_same_months_is_refused(erin):
    page(erin, ADD)
    assert "covers every account" in page(erin, ADD, name="Another")
    assert TsaContract.objects.count() == 1


def test_assets_are_entered_by_hand_too(erin):
    from finops.models import Tenant
    from tests.dashboards.world import NOW

    acme = Tenant.objects.create(slug="acme", name="Acme", first_seen=NOW)
    erin.post(
        "/admin/ingestion/tenantassets/add/",
        {"tenant": acme.pk, "day": "2026-04-01", "assets": "1200"},
    )
    assert TenantAssets.objects.get().assets == 1200
