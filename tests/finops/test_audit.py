"""The audit log: chained, append-only, verifiable, without secrets."""

from __future__ import annotations

import json
import threading
from io import StringIO

import pytest
from django.contrib.admin.sites import site
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from finops import audit, audit_triggers
from finops.audit_models import AppendOnlyError, AuditEntry, AuditHead
from finops.core.audit import GENESIS, Entry, Head, Link, entry_hash, first_broken
from finops.models import SettingOverride, User
from tests.finops.conftest import person

pytestmark = pytest.mark.django_db


def written(count: int = 3) -> list[AuditEntry]:
    return [
        audit.record(
            actor=None,
            verb="month.close",
            target=f"month 2026-0{number}",
            after={"cost": f"{number}.10"},
            reason=f"because {number}",
        )
        for number in range(1, count + 1)
    ]


def test_entries_are_numbered_chained_and_hold():
    first, second, third = written()
    assert [row.number for row in (first, second, third)] == [1, 2, 3]
    assert first.previous_hash == GENESIS
    assert (second.previous_hash, third.previous_hash) == (first.hash, second.hash)
    assert audit.verify() == (3, None)
    assert audit.head() == Head(3, third.hash)


def test_an_entry_names_its_actor_and_what_changed():
    carol = person("carol", "admin")
    row = audit.record(
        actor=carol, verb="goal.change", target="goal", before={"a": "1"}, after={"a": "2"}
    )
    assert (row.actor, row.actor_number) == ("carol", carol.pk)
    assert (json.loads(row.before), json.loads(row.after)) == ({"a": "1"}, {"a": "2"})


def test_an_entry_goes_when_its_deed_fails():
    def fails() -> None:
        with transaction.atomic():
            written(1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert AuditEntry.objects.count() == 0
    assert [row.number for row in written(1)] == [1]
    assert audit.verify() == (1, None)


def test_secrets_stay_out_of_the_log(settings):
    row = audit.record(
        actor=None,
        verb="connection.change",
        target="connection s3",
        after={"password": "hunter2hunter2", "url": "https://joe:hunter2hunter2@host/x"},
        reason=f"the key is {settings.SECRET_KEY}",
    )
    stored = AuditEntry.objects.get(pk=row.pk)
    text = "".join(str(getattr(stored, field.attname)) for field in stored._meta.fields)
    assert "hunter2" not in text
    assert settings.SECRET_KEY not in text
    assert audit.verify() == (1, None)


def test_the_model_refuses_changes():
    (row,) = written(1)
    row.reason = "another"
    for attempt in (
        row.save,
        row.delete,
        lambda: AuditEntry.objects.update(reason="x"),
        lambda: AuditEntry.objects.all().delete(),
    ):
        with pytest.raises(AppendOnlyError, match="never changed or removed"):
            attempt()


STATEMENTS = [
    "UPDATE finops_auditentry SET reason = 'x'",
    "DELETE FROM finops_auditentry",
    "UPDATE finops_audithead SET number = 1",
    "UPDATE finops_audithead SET number = 7",
    "DELETE FROM finops_audithead",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_database_refuses_changes(statement):
    written(2)
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert audit.verify() == (2, None)


def test_the_database_refuses_to_empty_or_replace():
    written(2)
    statement = (
        "TRUNCATE finops_auditentry"
        if connection.vendor == "postgresql"
        else "INSERT OR REPLACE INTO finops_auditentry SELECT * FROM finops_auditentry WHERE number = 1"
    )
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def tamper(statement: str) -> None:
    """What somebody who owns the database can do."""
    audit_triggers.remove(connection)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        audit_triggers.install(connection)


@pytest.mark.parametrize(
    ("statement", "number", "words"),
    [
        ("UPDATE finops_auditentry SET reason = 'x' WHERE number = 2", 2, "was changed"),
        ("UPDATE finops_auditentry SET actor_number = 9 WHERE number = 1", 1, "was changed"),
        ("DELETE FROM finops_auditentry WHERE number = 2", 2, "is missing"),
        ("DELETE FROM finops_auditentry WHERE number = 3", 3, "head says 3"),
        ("DELETE FROM finops_auditentry", 1, "head says 3"),
    ],
)
def test_what_the_owner_of_the_database_changes_is_found(statement, number, words):
    written()
    tamper(statement)
    held, broken = audit.verify()
    assert broken is not None
    assert (held, broken.number) == (number - 1, number)
    assert words in broken.sentence


def test_a_log_that_was_made_anew_does_not_fit_a_head_that_was_kept():
    rows = written()
    kept = Head(2, rows[1].hash)
    assert audit.verify([kept]) == (3, None)
    tamper("DELETE FROM finops_auditentry")
    tamper("DELETE FROM finops_audithead")
    assert audit.verify()[1] is None
    found = audit.verify([kept])[1]
    assert found is not None
    assert found.sentence == "Entry 2, which was known, is missing."


def test_the_command_verifies_and_says_what_to_keep():
    def run(*args: str) -> str:
        out = StringIO()
        call_command("audit", *args, stdout=out)
        return out.getvalue()

    assert "empty" in run()
    rows = written()
    assert "month 2026-03" in run("--limit", "1")
    assert "month 2026-02" not in run("--limit", "1")
    said = run("--verify")
    assert said.strip() == f"All 3 entries hold. Keep this elsewhere: 3:{rows[2].hash}"
    assert "All 3" in run("--known", f"2:{rows[1].hash}")
    with pytest.raises(CommandError, match="Entry 2 is not the one that was known") as refused:
        run("--known", f"2:{rows[0].hash}")
    assert refused.value.returncode == 1
    for wrong in (("--known", "2"), ("--limit", "0")):
        with pytest.raises(CommandError) as refused:
            run(*wrong)
        assert refused.value.returncode == 2


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_nothing_is_written():
    with pytest.raises(RuntimeError, match="transaction of the deed"):
        audit.record(actor=None, verb="x", target="y")


@pytest.mark.django_db(transaction=True)
def test_writers_at_the_same_time_make_one_chain():
    def write() -> None:
        try:
            for _ in range(5):
                with transaction.atomic():
                    audit.record(actor=None, verb="x", target=threading.current_thread().name)
        finally:
            connection.close()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert audit.verify() == (20, None)
    assert AuditHead.objects.get().number == 20


def test_triggers_are_there_again_after_a_migration_took_them_away():
    audit_triggers.remove(connection)
    call_command("migrate", verbosity=0)
    written(1)
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("DELETE FROM finops_auditentry")


def test_a_change_in_the_admin_is_noted_with_before_and_after(rf):
    carol = User.objects.create_superuser("carol")
    override = SettingOverride.objects.create(name="MARGIN_GOAL", value="0.65", reason="a")
    admin = site._registry[SettingOverride]
    request = rf.post("/")
    request.user = carol
    override.value, override.reason = "0.60", "a contract"
    admin.save_model(request, override, None, True)
    admin.delete_model(request, override)
    gone, changed = AuditEntry.objects.all()
    assert (changed.verb, changed.actor, changed.reason) == (
        "settingoverride.change",
        "carol",
        "a contract",
    )
    assert json.loads(changed.before)["value"] == "0.65"
    assert json.loads(changed.after)["value"] == "0.60"
    assert gone.verb == "settingoverride.delete"
    assert json.loads(gone.after) == {}


texts = st.text(max_size=20)
entries = st.builds(
    Entry,
    number=st.just(0),
    at=texts,
    actor=texts,
    actor_id=st.none() | st.integers(0, 9),
    verb=texts,
    target=texts,
    before=texts,
    after=texts,
    reason=texts,
)


@given(st.lists(entries, min_size=1, max_size=6), st.data())
def test_any_one_change_of_any_field_breaks_the_chain_where_it_was_made(found, data):
    chain: list[Link] = []
    last = GENESIS
    for number, entry in enumerate(found, 1):
        numbered = Entry(**{**entry.__dict__, "number": number})
        chain.append(Link(numbered, last, last := entry_hash(numbered, last)))
    head = Head(len(chain), last)
    assert first_broken(chain, head=head) == (len(chain), None)
    place = data.draw(st.integers(0, len(chain) - 1))
    name = data.draw(
        st.sampled_from(["at", "actor", "verb", "target", "before", "after", "reason"])
    )
    old = chain[place]
    changed = Entry(**{**old.entry.__dict__, name: getattr(old.entry, name) + "x"})
    chain[place] = Link(changed, old.previous_hash, old.hash)
    broken = first_broken(chain, head=head)[1]
    assert broken is not None
    assert broken.number == place + 1
