"""A person types an invoice in: checked against its total, charged when saved, corrected, never deleted."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from allocation.models import LedgerDay
from finops.core.amounts import exact_sum
from finops.fx_models import ExchangeRate
from ingestion.invoice_models import Invoice
from tests.dashboards.world import person

pytestmark = pytest.mark.django_db
ADD = "admin:ingestion_invoice_add"


def signed_in(name: str, group: str) -> Client:
    client = Client()
    client.force_login(person(name, group), "django.contrib.auth.backends.ModelBackend")
    return client


def form(total: str = "100", amount: str = "100", **more: str) -> dict[str, Any]:
    return {
        "service_provider_name": "Cloudflare",
        "invoice_id": "CF-1",
        "issued_on": "2026-05-02",
        "currency": "USD",
        "total": total,
        "settled_currency": "USD",
        "lines-TOTAL_FORMS": "1",
        "lines-INITIAL_FORMS": "0",
        "lines-MIN_NUM_FORMS": "0",
        "lines-MAX_NUM_FORMS": "1000",
        "lines-0-description": "Pro plan",
        "lines-0-service_name": "Plans",
        "lines-0-service_category": "Networking",
        "lines-0-charge_category": "Purchase",
        "lines-0-service_start": "2026-04-01",
        "lines-0-service_end": "2026-05-01",
        "lines-0-amount": amount,
        **more,
    }


def charged() -> Decimal:
    return exact_sum(LedgerDay.objects.values_list("billed_cost", flat=True))


def test_a_saved_invoice_is_charged_corrected_and_voided() -> None:
    carol = signed_in("carol", "admin")
    assert carol.post(reverse(ADD), form()).status_code == 302
    assert charged() == 100
    invoice = Invoice.objects.get()
    page = reverse("admin:ingestion_invoice_change", args=[invoice.pk])
    line = {"lines-INITIAL_FORMS": "1", "lines-0-id": str(invoice.lines.get().pk)}
    corrected = form("90.5", "90.5", **line, **{"lines-0-invoice": str(invoice.pk)})
    assert carol.post(page, corrected).status_code == 302
    assert charged() == Decimal("90.5")
    assert carol.post(page, corrected | {"is_void": "on"}).status_code == 302
    assert charged() == 0
    assert (
        carol.post(reverse("admin:ingestion_invoice_delete", args=[invoice.pk])).status_code == 403
    )


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (
            {"total": "101"},
            "The lines sum to 100.00 USD, and the invoice&#x27;s total is 101.00 USD",
        ),
        ({"lines-0-amount": "-100", "total": "-100"}, "not negative"),
        ({"lines-0-service_end": "2026-03-01"}, "service ends"),
        ({"currency": "usd"}, "three capital letters"),
        ({"lines-TOTAL_FORMS": "0"}, "at least one line"),
    ],
)
def test_a_wrong_invoice_is_refused_with_a_sentence(bad: dict[str, str], sentence: str) -> None:
    answer = signed_in("carol", "admin").post(reverse(ADD), form() | bad)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not Invoice.objects.exists()


def test_finance_enters_no_invoices_and_no_rates() -> None:
    alice = signed_in("alice", "finance")
    for name in (ADD, "admin:finops_exchangerate_add"):
        assert alice.get(reverse(name)).status_code in (302, 403)
    assert not ExchangeRate.objects.exists()
