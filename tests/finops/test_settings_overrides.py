"""A tunable setting: the default, an admin's value for everyone, an admin's value for one tenant."""

import logging
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from finops.core.tunables import TUNABLES, Effective, TunableError
from finops.models import SettingOverride
from finops.selectors import effective_setting, effective_settings_for

GOAL = "MARGIN_GOAL"


def override(value: str, tenant=None) -> SettingOverride:
    return SettingOverride.objects.create(name=GOAL, tenant=tenant, value=value, reason="test")


def test_the_default_applies_first(acme, settings):
    settings.MARGIN_GOAL = Decimal("0.65")
    assert effective_setting(GOAL) == Effective(GOAL, Decimal("0.65"), "default")
    assert effective_setting(GOAL, acme) == Effective(GOAL, Decimal("0.65"), "default")


def test_a_global_override_beats_the_default(acme):
    override("0.60")
    assert effective_setting(GOAL) == Effective(GOAL, Decimal("0.60"), "global")
    assert effective_setting(GOAL, acme).origin == "global"


def test_a_tenants_override_beats_both_and_stays_with_the_tenant(acme, globex):
    override("0.60")
    override("0.50", acme)
    assert effective_setting(GOAL, acme) == Effective(GOAL, Decimal("0.50"), "tenant")
    assert effective_setting(GOAL, globex) == Effective(GOAL, Decimal("0.60"), "global")
    assert effective_setting(GOAL).value == Decimal("0.60")


def test_a_table_asks_once_for_all_its_tenants(acme, globex, django_assert_num_queries):
    override("0.50", acme)
    with django_assert_num_queries(1):
        goals = effective_settings_for(GOAL, ["acme", "globex", "not-there"])
    assert [goals[slug].origin for slug in ("acme", "globex", "not-there")] == [
        "tenant",
        "default",
        "default",
    ]
    with django_assert_num_queries(1):
        effective_setting(GOAL, acme)


def test_an_override_that_later_limits_forbid_is_ignored_and_logged(acme, caplog):
    override("7", acme)
    with caplog.at_level(logging.WARNING):
        assert effective_setting(GOAL, acme).origin == "default"
    assert "must be a number from 0 to 1" in caplog.text


def test_an_unknown_setting_is_one_sentence(db):
    with pytest.raises(TunableError, match=r"There is no setting 'NOPE'\. Known: MARGIN_GOAL"):
        effective_setting("NOPE")


@pytest.mark.parametrize("text", ["0", "1", "0.65", " 0.7 ", "1e-1"])
def test_a_tunable_takes_its_range(text):
    assert 0 <= TUNABLES[GOAL].parse(text) <= 1


@pytest.mark.parametrize("text", ["", "1.01", "-0.1", "NaN", "Infinity", "70 %", "0,7"])
def test_a_tunable_refuses_with_its_limits_and_unit(text):
    with pytest.raises(TunableError, match="MARGIN_GOAL must be a number from 0 to 1"):
        TUNABLES[GOAL].parse(text)
    with pytest.raises(ValidationError):
        SettingOverride(name=GOAL, value=text, reason="test").clean()


def test_there_is_one_override_for_everyone_and_one_a_tenant(acme):
    for tenant in (None, acme):
        override("0.5", tenant)
        with pytest.raises(IntegrityError), transaction.atomic():
            override("0.6", tenant)


@pytest.mark.parametrize("name", TUNABLES)
def test_every_tunable_has_a_default_within_its_own_limits(name, settings):
    tunable = TUNABLES[name]
    assert tunable.low <= getattr(settings, name) <= tunable.high
    assert tunable.unit
    assert tunable.help_text
