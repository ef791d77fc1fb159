"""How often one may ask."""

from __future__ import annotations

import pytest
from django.test import Client
from rest_framework.exceptions import Throttled
from rest_framework.test import APIRequestFactory

from finops.api.problems import handle
from finops.models import User
from tests.api.conftest import V1, client_of, token_of

URL = f"{V1}/sources"


def test_each_token_has_a_rate_of_its_own(db, settings):
    settings.API_RATE = "3/hour"
    root = User.objects.create_superuser("root")
    first, second = client_of(root), client_of(root)
    assert [first.get(URL).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = first.get(URL)
    assert refused["Content-Type"] == "application/problem+json"
    assert 0 < int(refused["Retry-After"]) <= 3600
    assert refused.json()["type"] == "urn:finops:problem:throttled"
    assert second.get(URL).status_code == 200


def test_an_address_that_guesses_is_told_to_wait_and_its_neighbour_with_a_token_is_not(
    db, settings
):
    settings.API_FAILED_RATE = "3/hour"
    good = client_of(User.objects.create_superuser("root"))
    guess = Client(headers={"Authorization": f"Bearer fce_{'0' * 12}_{'x' * 43}"})
    assert [guess.get(URL).status_code for _ in range(4)] == [401, 401, 401, 429]
    assert int(guess.get(URL)["Retry-After"]) > 0
    assert Client().get(URL).status_code == 429
    assert good.get(URL).status_code == 200
    assert guess.get(URL, REMOTE_ADDR="192.0.2.7").status_code == 401


def test_a_header_of_the_client_does_not_make_another_address(db, settings):
    settings.API_FAILED_RATE = "1/hour"
    for number, status in ((1, 401), (2, 429)):
        response = Client().get(URL, headers={"X-Forwarded-For": f"192.0.2.{number}"})
        assert response.status_code == status


def test_refused_requests_count_for_the_token(db, settings):
    settings.API_RATE = "2/hour"
    text = token_of(User.objects.create_superuser("root"))
    client = Client(headers={"Authorization": f"Bearer {text}"})
    assert [client.get(f"{URL}?x=1").status_code for _ in range(3)] == [400, 400, 429]


@pytest.mark.parametrize(("method", "status"), [("delete", 405), ("get", 403)])
def test_what_may_not_be_asked_counts_as_well(db, settings, method, status):
    settings.API_RATE = "2/hour"
    client = client_of(User.objects.create_superuser("root"), "view_pnl")
    answers = [getattr(client, method)(URL).status_code for _ in range(3)]
    assert answers == [status, status, 429]


@pytest.mark.parametrize(("wait", "seconds"), [(None, "1"), (0, "1"), (0.2, "1"), (1.5, "2")])
def test_too_many_always_says_how_long_to_wait(wait, seconds):
    answer = handle(Throttled(wait=wait), {"request": APIRequestFactory().get(URL)})
    assert (answer.status_code, answer["Retry-After"]) == (429, seconds)
