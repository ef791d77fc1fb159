"""Writes to the price list: a change is a new version with a reason, the old one keeps its row."""

from __future__ import annotations

from dataclasses import replace

from django.apps import AppConfig
from django.apps.registry import Apps
from django.apps.registry import apps as all_apps
from django.db import DEFAULT_DB_ALIAS, transaction

from finops import clock
from finops.models import User
from ingestion.core.list_prices import LIST_PRICES
from ingestion.core.price_rules import (
    WHOLE_MONTH,
    may_change_on,
    overlap_sentence,
    overlapping,
    problems_of,
)
from ingestion.core.pricing import Price, PriceError
from ingestion.price_models import PriceListEntry
from ingestion.prices import columns_of, price_of

SEED_REASON = "The vendor's public price list."


class PriceRefusedError(PriceError):
    """A price that the list does not take; ``problems`` holds field (as in ``Price``) and sentence."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        super().__init__(" ".join(sentence for _field, sentence in problems))


def check_price(*, price: Price, reason: str, changed: PriceListEntry | None = None) -> None:
    """Raise ``PriceRefusedError`` where the list cannot take ``price``, as it is or as a new version of ``changed``.

    Call it in the transaction that writes: it keeps others from writing prices of the same provider meanwhile.
    """
    _lock(price.provider)
    problems = problems_of(price)
    if not reason.strip():
        problems.append(("reason", "Say why: the reason stays with the version."))
    if changed is not None:
        changed.refresh_from_db()  # another writer may have had the lock before
        problems += _problems_of_change(price, changed)
    same = PriceListEntry.objects.filter(
        provider=price.provider, meter=price.meter, account=price.account
    )
    others = [row for row in same if row != changed]
    in_the_way = overlapping(price, [price_of(row) for row in others])
    if in_the_way is not None:
        problems.append(("valid_from", overlap_sentence(in_the_way)))
    if problems:
        raise PriceRefusedError(problems)


@transaction.atomic
def add_price(*, price: Price, reason: str, by: User | None) -> PriceListEntry:
    """A price for days on which its meter and account have none. Raises ``PriceRefusedError``."""
    check_price(price=price, reason=reason)
    return _write(price, reason, by, None)


@transaction.atomic
def change_price(*, entry_id: int, price: Price, reason: str, by: User | None) -> PriceListEntry:
    """A new version of an entry, which ends where the new one begins. Raises ``PriceRefusedError``.

    Meter and account stay. A version that begins where the old one began, or before, is a correction: the
    old one then holds on no day and is kept to be read. ``stated_until`` keeps the end that it was written with.
    """
    old = PriceListEntry.objects.get(pk=entry_id)
    price = replace(price, provider=old.provider, meter=old.meter, account=old.account)
    check_price(price=price, reason=reason, changed=old)
    end = max(old.valid_from, price.valid_from)
    old.valid_until = end if old.valid_until is None else min(old.valid_until, end)
    old.save(update_fields=["valid_until"])
    return _write(price, reason, by, old)


def _lock(provider: str) -> None:
    """Hold the provider's rows, in one order, until the transaction ends; every provider has list prices."""
    rows = PriceListEntry.objects.select_for_update().filter(provider=provider).order_by("pk")
    list(rows.values_list("pk"))


def _problems_of_change(price: Price, changed: PriceListEntry) -> list[tuple[str, str]]:
    if changed.is_replaced:
        return [("valid_from", "This version was replaced: change the one that replaced it.")]
    if price.valid_from > changed.valid_from and not may_change_on(
        price_of(changed), price.valid_from
    ):
        return [("valid_from", f"The present version would end within a month. {WHOLE_MONTH}")]
    ends_sooner = price.valid_until is not None and (
        changed.valid_until is None or price.valid_until < changed.valid_until
    )
    if price.valid_from > changed.valid_from and ends_sooner:
        until = changed.valid_until or "further notice"
        end = f"with the end {until}" if changed.valid_until else "without an end"
        msg = (
            f"The present version holds until {until}, and nothing would follow this change on "
            f"{price.valid_until}: make it {end}, then make what holds from {price.valid_until} "
            "a change of its own."
        )
        return [("valid_until", msg)]
    return []


def _write(
    price: Price, reason: str, by: User | None, replaces: PriceListEntry | None
) -> PriceListEntry:
    return PriceListEntry.objects.create(
        **columns_of(price),
        stated_until=price.valid_until,
        reason=reason.strip(),
        replaces=replaces,
        changed_by=by,
        changed_at=clock.now(),
    )


def ensure_list_prices(
    sender: AppConfig,
    *,
    using: str = DEFAULT_DB_ALIAS,
    apps: Apps = all_apps,
    plan: list[tuple[object, bool]] | None = None,
    **_signal: object,
) -> None:
    """Put the vendors' list prices in; a receiver of ``post_migrate``, so that they outlive a ``flush``.

    A list price that is known stays as it is. A newer one of a later release closes the product's own older
    one, unless a person has made a version of that list price: from then on it is theirs.
    """
    if any(backwards for _migration, backwards in plan or []):
        return
    try:
        model = apps.get_model(sender.label, "PriceListEntry")
    except LookupError:
        return
    for price in LIST_PRICES:
        known = model.objects.using(using).filter(
            provider=price.provider, meter=price.meter, account=""
        )
        versions = list(known)
        if any(not row.seeded or row.valid_from >= price.valid_from for row in versions):
            continue
        known.filter(valid_until__isnull=True).update(valid_until=price.valid_from)
        model.objects.using(using).create(
            **columns_of(price), reason=SEED_REASON, seeded=True, changed_at=clock.now()
        )
