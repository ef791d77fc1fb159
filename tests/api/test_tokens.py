"""Tokens: hashed, scoped, ending, revocable; shown once."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.core.serializers import serialize
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from finops import clock
from finops.api.models import ApiToken, TokenName
from finops.api.tokens import SCOPES, TokenError, issue_token, note_use, revoke_token
from finops.core.tokens import is_secret, read_token, secret_hash, write_token
from finops.models import User
from tests.api.conftest import V1, client_of, client_with, token_of
from tests.dashboards.world import NOW, person

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def issue(owner: User, *scopes: str, name: str = "robot", days: int = 30):
    return issue_token(name=name, owner=owner, scopes=scopes, expires_at=NOW + days * DAY, now=NOW)


# --- pure --------------------------------------------------------------------------------------------


@given(
    st.from_regex(r"[0-9a-f]{12}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_-]{43}", fullmatch=True),
)
def test_what_is_written_can_be_read(token_id: str, secret: str):
    parts = read_token(write_token(token_id, secret))
    assert parts is not None
    assert (parts.id, parts.secret) == (token_id, secret)


@given(st.text())
def test_other_texts_are_no_token(text: str):
    assert read_token(text) is None


@given(st.text(min_size=1), st.text(min_size=1))
def test_only_the_secret_itself_proves_a_token(one: str, other: str):
    one, other = (text.encode("utf-8", "replace").decode() for text in (one, other))
    assert is_secret(one, secret_hash(one))
    assert is_secret(other, secret_hash(one)) == (one == other)


# --- issuing -----------------------------------------------------------------------------------------


def test_only_a_hash_of_the_secret_is_kept():
    token, text = issue(person("alice", "finance"), "view_pnl")
    secret = text.removeprefix(f"fce_{token.token_id}_")
    assert len(secret) == 43
    assert secret not in serialize("json", ApiToken.objects.all())
    assert token.secret_hash == secret_hash(secret)


def test_two_tokens_of_one_name_differ_so_that_one_can_take_over_from_the_other():
    alice = person("alice", "finance")
    texts = {issue(alice, "view_pnl")[1] for _ in range(2)}
    assert len(texts) == 2


@pytest.mark.parametrize(
    ("scopes", "days", "sentence"),
    [
        (["view_pnl", "rule_the_world"], 1, "There is no scope 'rule_the_world'"),
        (["enter_admin"], 1, "There is no scope 'enter_admin'"),
        ([], 1, "A token needs a scope"),
        (["send_usage"], 1, "alice may not send_usage"),
        (["view_pnl"], 0, "within 365 days"),
        (["view_pnl"], 366, "within 365 days"),
    ],
)
def test_a_token_that_may_not_be_is_refused_with_a_sentence(scopes, days, sentence):
    with pytest.raises(TokenError, match=sentence):
        issue(person("alice", "finance"), *scopes, days=days)
    assert not ApiToken.objects.exists()


def test_the_longest_life_is_a_setting(settings):
    settings.API_TOKEN_MAX_DAYS = 7
    with pytest.raises(TokenError, match="within 7 days"):
        issue(person("alice", "finance"), "view_pnl", days=8)


def test_a_name_belongs_to_one_owner():
    issue(person("alice", "finance"), "view_pnl")
    with pytest.raises(TokenError, match="another owner's"):
        issue(person("bob", "finance"), "view_pnl")


def test_the_database_itself_keeps_a_name_to_one_owner(monkeypatch):
    """Two administrators who ask at the same time are both past the check."""
    issue(person("alice", "finance"), "view_pnl")
    monkeypatch.setattr("finops.api.tokens.check_token", lambda **_: None)
    with pytest.raises(TokenError, match="another owner's"):
        issue(person("bob", "finance"), "view_pnl")
    assert ApiToken.objects.count() == TokenName.objects.count() == 1


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 61, f"fce_{'0' * 12}_{'x' * 43}"])
def test_a_name_that_is_none_is_refused_and_not_repeated(name):
    with pytest.raises(TokenError, match="1 to 60 printable characters") as refusal:
        issue(person("alice", "finance"), "view_pnl", name=name)
    assert not name.strip() or name not in str(refusal.value)
    assert not ApiToken.objects.exists()


# --- use ---------------------------------------------------------------------------------------------


def test_revoking_takes_effect_with_the_next_request_and_keeps_its_first_time(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOW)
    text = token_of(person("alice", "finance"))
    client = client_with(text)
    assert client.get(f"{V1}/pnl").status_code == 200
    token = ApiToken.objects.get()
    revoke_token(token_id=token.token_id, now=NOW)
    assert client.get(f"{V1}/pnl").status_code == 401
    assert revoke_token(token_id=token.token_id, now=NOW + DAY).revoked_at == NOW
    with pytest.raises(TokenError, match="no token 'nobody'"):
        revoke_token(token_id="nobody", now=NOW)


def test_use_is_noted_at_most_once_a_minute(django_assert_num_queries):
    token, _ = issue(person("alice", "finance"), "view_pnl")
    for after, noted in ((0, 0), (59, 0), (60, 60), (61, 60)):
        token.refresh_from_db()
        note_use(token, NOW + timedelta(seconds=after))
        token.refresh_from_db()
        assert token.last_used_at == NOW + timedelta(seconds=noted)
    with django_assert_num_queries(0):
        note_use(token, NOW + timedelta(seconds=62))


def test_a_read_does_not_depend_on_noting_the_use(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOW)
    client = client_of(person("alice", "finance"))

    def locked(execute, sql, params, many, context):
        if sql.startswith("UPDATE"):
            raise OperationalError("database is locked")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(locked):
        assert client.get(f"{V1}/pnl").status_code == 200
    assert ApiToken.objects.get().last_used_at is None
    assert client.get(f"{V1}/pnl").status_code == 200
    assert ApiToken.objects.get().last_used_at == NOW


def test_noting_the_use_leaves_the_wait_of_other_writes_as_it_was():
    if connection.vendor != "sqlite":
        pytest.skip("a wait of SQLite")
    token, _ = issue(person("alice", "finance"), "view_pnl")
    waits = []
    for moment in (None, NOW):
        if moment:
            note_use(token, moment)
        with connection.cursor() as cursor:
            waits.append(cursor.execute("PRAGMA busy_timeout").fetchone())
    assert waits[0] == waits[1]
    assert waits[0][0] > 1000


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer x",
        "Basic cm9vdDpyb290",
        "Bearer fce_000000000000_short",
        "Bearer fce_000000000000_" + "x" * 43,
        "Bearer é",
    ],
)
def test_what_is_no_token_is_refused_without_a_word_of_it(header):
    response = Client(headers={"Authorization": header}).get(f"{V1}/pnl")
    assert response.status_code == 401
    assert header.partition(" ")[2] not in response.text or header.endswith((" ", "Bearer", " x"))


def test_another_tokens_secret_does_not_fit():
    alice = person("alice", "finance")
    (one, _), (_, other_text) = issue(alice, "view_pnl"), issue(alice, "view_pnl")
    mixed = write_token(one.token_id, other_text.rpartition("_")[2].rjust(43, "x")[-43:])
    assert client_with(mixed).get(f"{V1}/pnl").status_code == 401


# --- the admin ---------------------------------------------------------------------------------------


def admin_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def form(owner: User, *scopes: str, **changed: str) -> dict[str, object]:
    ends = clock.now() + 30 * DAY
    return {
        "name": "robot",
        "owner": owner.pk,
        "scopes": list(scopes),
        "expires_at_0": f"{ends:%Y-%m-%d}",
        "expires_at_1": "00:00",
        **changed,
    }


def test_an_admin_issues_a_token_and_sees_it_once():
    erin, alice = person("erin", "admin"), person("alice", "finance")
    client = admin_of(erin)
    page = client.post(reverse("admin:finops_apitoken_add"), form(alice, "view_pnl"))
    token = ApiToken.objects.get()
    assert page.status_code == 200
    assert "no-store" in page["Cache-Control"]
    text = page.text.partition('<code id="token">')[2].partition("</code>")[0]
    assert text.startswith(f"fce_{token.token_id}_")
    assert (token.owner, token.created_by, token.scopes) == (alice, erin, ["view_pnl"])
    assert client_with(text).get(f"{V1}/pnl").status_code == 200
    secret = text.removeprefix(f"fce_{token.token_id}_")
    later = [
        client.get(reverse("admin:finops_apitoken_changelist")).text,
        client.get(reverse("admin:finops_apitoken_change", args=[token.pk])).text,
        client.get(reverse("admin:index")).text,
        json.dumps({name: cookie.value for name, cookie in client.cookies.items()}),
        json.dumps(dict(client.session)),
    ]
    assert secret not in "".join(later)
    assert token.token_id in later[0]
    assert token.secret_hash not in "".join(later)


def test_an_admin_revokes_and_neither_changes_nor_deletes():
    erin, alice = person("erin", "admin"), person("alice", "finance")
    client, (token, text) = admin_of(erin), issue(alice, "view_pnl")
    change = reverse("admin:finops_apitoken_change", args=[token.pk])
    assert client.post(change, {"name": "other", "scopes": ["send_usage"]}).status_code == 403
    assert client.post(reverse("admin:finops_apitoken_delete", args=[token.pk])).status_code == 403
    token.refresh_from_db()
    assert (token.name, token.scopes) == ("robot", ["view_pnl"])
    chosen = {"action": "revoke", "_selected_action": [token.pk]}
    assert client.post(reverse("admin:finops_apitoken_changelist"), chosen).status_code == 302
    assert client_with(text).get(f"{V1}/pnl").status_code == 401


@pytest.mark.parametrize(
    ("owner", "scopes", "sentence"),
    [
        ("root", ["view_pnl"], "This person may more than you"),
        ("dora", ["view_pnl"], "dora may not view_pnl"),
        ("alice", [], "This field is required"),
        ("alice", ["enter_admin"], "Select a valid choice"),
    ],
)
def test_the_form_refuses_what_may_not_be(owner, scopes, sentence):
    User.objects.create_superuser("root")
    person("dora")
    person("alice", "finance")
    client = admin_of(person("erin", "admin"))
    page = client.post(
        reverse("admin:finops_apitoken_add"), form(User.objects.get(username=owner), *scopes)
    )
    assert sentence in page.text
    assert not ApiToken.objects.exists()


def test_nobody_but_an_admin_comes_near_tokens():
    alice = person("alice", "finance")
    url = reverse("admin:finops_apitoken_add")
    response = admin_of(alice).post(url, form(alice, "view_pnl"))
    assert response.status_code in {302, 403}
    assert Client().post(url, form(alice, "view_pnl")).status_code == 302
    assert not ApiToken.objects.exists()


# --- the command -------------------------------------------------------------------------------------


def run(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("api_token", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_command_prints_the_token_alone_on_standard_output():
    person("alice", "finance")
    create = ("create", "--name", "robot", "--owner", "alice", "--scope", "view_pnl")
    out, err = run(*create, "--scope", "view_charge_lines", "--days", "9")
    text = out.strip()
    token = ApiToken.objects.get()
    assert client_with(text).get(f"{V1}/pnl").status_code == 200
    assert token.scopes == ["view_charge_lines", "view_pnl"]
    assert token.token_id in err
    assert text not in err
    listed, _ = run("list")
    assert token.token_id in listed
    assert "active" in listed
    assert text.rpartition(f"{token.token_id}_")[2] not in listed
    said, _ = run("revoke", token.token_id)
    assert "is refused from now on" in said
    assert client_with(text).get(f"{V1}/pnl").status_code == 401
    assert "revoked" in run("list")[0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("create", "--name", "r", "--owner", "nobody", "--scope", "view_pnl"), "no user 'nobody'"),
        (
            ("create", "--name", "r", "--owner", "alice", "--scope", "send_usage"),
            "may not send_usage",
        ),
        (
            (
                "create",
                "--name",
                "r",
                "--owner",
                "alice",
                "--scope",
                "view_pnl",
                "--days",
                "9999999999",
            ),
            "beyond the calendar",
        ),
        (("revoke", "nothing"), "no token 'nothing'"),
    ],
)
def test_the_command_says_in_one_sentence_what_is_wrong(arguments, sentence):
    person("alice", "finance")
    with pytest.raises(CommandError, match=sentence) as stop:
        run(*arguments)
    assert stop.value.returncode == 2


def test_every_scope_can_be_given_to_somebody():
    erin = person("erin", "admin")
    token, _ = issue(erin, *SCOPES)
    assert set(token.scopes) == set(SCOPES)
    assert client_of(erin).get(f"{V1}/sources").status_code == 200
