"""Signing in and out, and what happens to those who guess."""

import pytest
from axes.handlers.proxy import AxesProxyHandler
from django.test import Client

from finops.models import User
from tests.finops.conftest import PASSWORD

SIGN_IN = "/sign-in/"


@pytest.fixture(autouse=True)
def own_counters(cache_of_this_test) -> None:
    """The lock keeps the cache that it found first, which may be another test's."""
    AxesProxyHandler.get_implementation(force=True)


def try_password(client: Client, name: str, password: str, address: str = "192.0.2.1"):
    return client.post(SIGN_IN, {"username": name, "password": password}, REMOTE_ADDR=address)


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_alice_signs_in_and_out(client, alice):
    assert client.get(SIGN_IN).status_code == 200
    assert try_password(client, "alice", PASSWORD).status_code == 302
    assert signed_in(client)
    assert client.get(SIGN_IN).status_code == 302
    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/")["Location"] == SIGN_IN
    assert not signed_in(client)


def test_after_signing_in_people_reach_the_page_they_wanted_and_no_other_site(client, alice):
    form = {"username": "alice", "password": PASSWORD}
    assert client.post(SIGN_IN, {**form, "next": "/tenants/"})["Location"] == "/tenants/"
    client.logout()
    wanted = client.post(SIGN_IN, {**form, "next": "https://evil.example/"})["Location"]
    assert "evil" not in wanted


@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_a_wrong_password_does_not_tell_whether_the_name_exists(client, alice, name):
    response = try_password(client, name, "wrong")
    assert response.status_code == 200
    assert "correct username and password" in response.content.decode()
    assert not signed_in(client)


def test_an_inactive_person_does_not_sign_in(client, alice):
    User.objects.update(is_active=False)
    try_password(client, "alice", PASSWORD)
    assert not signed_in(client)


def test_ten_wrong_passwords_lock_the_name_from_this_address(client, alice, bob):
    for _attempt in range(9):
        assert try_password(client, "alice", "wrong").status_code == 200
    assert try_password(client, "alice", "wrong").status_code == 429
    locked = try_password(client, "alice", PASSWORD)
    assert locked.status_code == 429
    assert "Too many wrong passwords" in locked.content.decode()
    assert not signed_in(client)
    # Others, and Alice from elsewhere, are not locked out by it.
    try_password(Client(), "bob", PASSWORD)
    elsewhere, other = Client(), Client()
    try_password(elsewhere, "alice", PASSWORD, "198.51.100.7")
    try_password(other, "bob", PASSWORD)
    assert signed_in(elsewhere)
    assert signed_in(other)


def test_nine_wrong_passwords_and_a_right_one_start_again(client, alice):
    for _round in range(2):
        for _attempt in range(9):
            assert try_password(client, "alice", "wrong").status_code == 200
        assert try_password(client, "alice", PASSWORD).status_code == 302
        client.post("/sign-out/")


def test_the_lock_opens_after_15_minutes(settings):
    assert settings.AXES_COOLOFF_TIME.total_seconds() == 15 * 60
    assert settings.AXES_FAILURE_LIMIT == 10


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/", "/tenants/", "/reconciliation/", "/admin/", "/no-such-page/"]
)
def test_nobody_anonymous_sees_a_page(client, path):
    response = client.get(path)
    assert response.status_code in {302, 404}
    if response.status_code == 302:
        final = client.get(path, follow=True)
        assert final.redirect_chain[-1][0].startswith(SIGN_IN)
        assert f"next={path}" in final.redirect_chain[-1][0].replace("%2F", "/")
