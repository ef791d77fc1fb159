"""What a connection to the API may hold: never a secret, never a way to another machine."""

from __future__ import annotations

import pytest
from django.contrib import admin
from hypothesis import given
from hypothesis import strategies as st

from ingestion.admin import ConnectionForm
from ingestion.cloudflare.client import Client, token_of
from ingestion.core.cloudflare_settings import (
    CloudflareSettings,
    ConnectionSettingsError,
    base_url,
    read_settings,
    secret_setting,
)
from ingestion.core.delivery import SourceError
from ingestion.models import Connection
from tests.cloudflare.conftest import ACCOUNT, TOKEN, VARIABLE, ZONE

OFFICIAL = "https://api.cloudflare.com/client/v4"


def test_settings_are_read_with_their_defaults():
    assert read_settings({"account": ACCOUNT}) == CloudflareSettings(
        ACCOUNT, (), "CLOUDFLARE_API_TOKEN"
    )
    assert read_settings({"account": ACCOUNT, "zones": [ZONE, ZONE]}).zones == (ZONE,)


@pytest.mark.parametrize(
    ("given_settings", "said"),
    [
        ([], "must be an object"),
        ({}, "account id"),
        ({"account": "Acme"}, "account id"),
        ({"account": ACCOUNT, "zones": "all"}, "list of zone ids"),
        ({"account": ACCOUNT, "zones": [f"{ZONE}/../x"]}, "list of zone ids"),
        ({"account": ACCOUNT, "token": "x"}, "write only account, zones and token_env"),
        ({"account": ACCOUNT, "token_env": "AWS_SECRET_ACCESS_KEY"}, "CLOUDFLARE_ or FINOPS_"),
        ({"account": ACCOUNT, "token_env": "CLOUDFLARE_ZONE"}, "has TOKEN in its name"),
        ({"account": ACCOUNT, "token_env": "cloudflare_api_token"}, "CLOUDFLARE_ or FINOPS_"),
        ({"account": ACCOUNT, "token_env": 5}, "CLOUDFLARE_ or FINOPS_"),
    ],
)
def test_wrong_settings_are_refused_with_what_to_write(given_settings, said):
    with pytest.raises(ConnectionSettingsError, match=said):
        read_settings(given_settings)


@pytest.mark.parametrize(
    "address",
    [
        OFFICIAL,
        f"{OFFICIAL}/",
        "http://127.0.0.1:8080/client/v4",
        "http://localhost:1/x",
        "http://[::1]:80/x",
    ],
)
def test_https_and_this_machine_are_allowed(address):
    assert base_url(address) == address.rstrip("/")


@pytest.mark.parametrize(
    "address",
    [
        "http://api.cloudflare.com/client/v4",
        "https://169.254.169.254/latest",
        "https://10.0.0.8/client/v4",
        "https://[fd00::1]/x",
        "https://metadata.google.internal/x",
        "https://intranet/x",
        "http://127.0.0.1.example.com/x",
        "https://user:pw@api.cloudflare.com/",
        "https://api.cloudflare.com/?x=1",
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "s3://bucket/x",
        "https://api.cloudflare.com:port/",
        "",
        "/srv/bills",
    ],
)
def test_no_other_address_gets_the_token(address):
    with pytest.raises(ConnectionSettingsError):
        base_url(address)
    with pytest.raises(ConnectionSettingsError):
        Client(address, TOKEN)


def test_a_client_does_not_show_its_token():
    with Client(OFFICIAL, TOKEN) as client:
        assert TOKEN not in repr(client)
        assert "api.cloudflare.com" in repr(client)


@pytest.mark.parametrize("value", ["", "  ", "two words", "tökén", "line\nbreak"])
def test_a_variable_without_a_token_is_named(monkeypatch, value):
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(SourceError, match=VARIABLE) as caught:
        token_of(VARIABLE)
    assert not value.strip() or value not in str(caught.value)


@pytest.mark.parametrize(
    "suspect",
    [
        {"token": "anything"},
        {"nested": {"api_key": ""}},
        {"account": "cfut_abcdefghij0123456789ABCDEFGHIJ0123456789"},
        {"zones": ["Sn3lZJTBX6kkg7OdcBUAxOO963GEIyGQqnFTOFYY"]},
        {"note": "Bearer abcdefgh12345678"},
        {"url": "https://user:hunter2@example.com/"},
    ],
)
def test_what_looks_like_a_secret_is_found(suspect):
    assert secret_setting(suspect).startswith("settings")


@given(st.text("0123456789abcdef", min_size=32, max_size=32))
def test_ids_and_names_of_variables_are_no_secrets(tag):
    plain = {"account": tag, "zones": [tag], "token_env": "CLOUDFLARE_API_TOKEN"}
    assert secret_setting(plain) == ""


# --- the admin's form --------------------------------------------------------------------------------


def form(**changes: object) -> ConnectionForm:
    class Form(ConnectionForm):
        class Meta:
            model = Connection
            fields = ("slug", "kind", "location", "endpoint_url", "settings", "check_every_minutes")

    data = {
        "slug": "edge",
        "kind": "cloudflare_usage",
        "location": OFFICIAL,
        "settings": f'{{"account": "{ACCOUNT}"}}',
        "check_every_minutes": 60,
        **changes,
    }
    return Form(data)


@pytest.mark.django_db
def test_the_admin_takes_a_right_connection_and_says_what_is_wrong_with_others():
    assert admin.site.is_registered(Connection)
    assert form().is_valid()
    assert "account id" in str(form(settings="{}").errors)
    assert "must begin with https://" in str(form(location="http://10.0.0.1/").errors)
    secret = form(settings=f'{{"account": "{ACCOUNT}", "token": "abc"}}')
    assert "settings.token looks like a secret" in str(secret.errors)


@pytest.mark.django_db
def test_a_folder_needs_no_settings_and_may_hold_no_secret_either(tmp_path):
    assert form(kind="aws_cur", location=str(tmp_path), settings="").is_valid()
    wrong = form(kind="aws_cur", location=str(tmp_path), settings='{"api_key": "x"}')
    assert "looks like a secret" in str(wrong.errors)


@pytest.mark.django_db
def test_a_connection_may_be_looked_at_all_the_time_and_says_what_that_means(tmp_path):
    logs = form(
        kind="cloudflare_logpush", location=str(tmp_path), settings="", check_every_minutes=0
    )
    assert logs.is_valid()
    help_text = str(logs.fields["check_every_minutes"].help_text)
    assert "0 looks at each round of the worker" in help_text
    assert not form(check_every_minutes=-1).is_valid()
    assert not form(check_every_minutes=10**6).is_valid()
