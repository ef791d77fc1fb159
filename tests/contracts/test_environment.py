"""The tests' own ground: they touch neither `.env` nor `var/` of the checkout."""

from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def test_the_lake_is_this_tests_own(lake_of_this_test: Path, tmp_path: Path) -> None:
    assert lake_of_this_test == settings.LAKE_DIR
    assert list(lake_of_this_test.iterdir()) == []
    assert tmp_path in lake_of_this_test.parents


@pytest.mark.django_db
def test_the_database_is_a_test_database() -> None:
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        assert not Path(name).is_relative_to(ROOT)
    assert "test" in Path(name).name
