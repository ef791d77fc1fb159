"""Contract of every API that is asked for usage: one file in ``ingestion/apis`` each."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ingestion.api_registry import ApiSource, api_sources
from ingestion.core.delivery import SourceError
from ingestion.models import Connection
from ingestion.progress import silent
from ingestion.registry import sources

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)


def test_there_is_one_and_none_bears_the_id_of_a_source_of_files():
    assert api_sources()
    assert not set(api_sources()) & set(sources())


@pytest.mark.parametrize("api", api_sources().values(), ids=lambda api: api.id)
class TestEvery:
    def test_it_offers_what_an_api_offers(self, api: ApiSource) -> None:
        assert isinstance(api, ApiSource)
        assert api.title

    def test_a_connection_that_cannot_be_right_is_one_sentence(self, api: ApiSource) -> None:
        with pytest.raises(SourceError) as caught:
            api.check("gopher://nowhere", {})
        assert str(caught.value).endswith(".")
        assert "\n" not in str(caught.value)

    @pytest.mark.django_db
    def test_a_look_that_cannot_be_made_is_an_outcome_and_no_error(self, api: ApiSource) -> None:
        connection = Connection.objects.create(
            slug="odd", kind=api.id, location="gopher://nowhere", created_at=NOW
        )
        outcomes = api.collect(connection, now=NOW, since=None, until=None, progress=silent)
        assert [outcome.status for outcome in outcomes] == ["failed"]
        assert outcomes[0].sentence.endswith(".")
