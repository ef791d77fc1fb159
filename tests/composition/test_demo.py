"""The demo's people, files and end, without starting a server."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model

import simulator.files
from composition import demo


@pytest.fixture
def place(tmp_path: Path) -> demo.Place:
    var = tmp_path / "var"
    var.mkdir()
    return demo.Place(var)


@pytest.fixture
def _fast_passwords(settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.mark.usefixtures("_fast_passwords")
@pytest.mark.django_db
class TestPeople:
    def test_each_can_sign_in_with_the_printed_password(self, place: demo.Place) -> None:
        passwords = demo.ensure_people(place)
        assert sorted(passwords) == ["alice.finance", "bob.approver", "carol.admin"]
        assert len(set(passwords.values())) == 3
        for person in demo.PEOPLE:
            user = get_user_model().objects.get(username=person.username)
            assert user.check_password(passwords[person.username])
            assert [group.name for group in user.groups.all()] == [person.group]

    def test_a_second_start_changes_nothing(self, place: demo.Place) -> None:
        first = demo.ensure_people(place)
        hashes = set(get_user_model().objects.values_list("password", flat=True))
        assert demo.ensure_people(place) == first
        assert set(get_user_model().objects.values_list("password", flat=True)) == hashes

    def test_passwords_lie_in_one_private_file(self, place: demo.Place) -> None:
        passwords = demo.ensure_people(place)
        assert stat.S_IMODE(place.users.stat().st_mode) == 0o600
        assert [path.name for path in place.var.iterdir()] == [place.users.name]
        kept = json.loads(place.users.read_text())
        assert kept["alice.finance"]["password"] == passwords["alice.finance"]

    def test_a_password_changed_by_hand_stays_changed(self, place: demo.Place) -> None:
        demo.ensure_people(place)
        alice = get_user_model().objects.get(username="alice.finance")
        alice.set_password("chosen by alice")
        alice.save()
        assert demo.ensure_people(place)["alice.finance"] == ""
        alice.refresh_from_db()
        assert alice.check_password("chosen by alice")

    def test_a_new_database_gets_the_passwords_that_are_known(self, place: demo.Place) -> None:
        first = demo.ensure_people(place)
        get_user_model().objects.all().delete()
        assert demo.ensure_people(place) == first
        assert (
            get_user_model()
            .objects.get(username="bob.approver")
            .check_password(first["bob.approver"])
        )

    def test_a_lost_file_gives_new_passwords(self, place: demo.Place) -> None:
        first = demo.ensure_people(place)
        place.users.unlink()
        second = demo.ensure_people(place)
        assert not set(first.values()) & set(second.values())
        alice = get_user_model().objects.get(username="alice.finance")
        assert alice.check_password(second["alice.finance"])


def test_a_simulation_that_was_interrupted_goes_on(
    place: demo.Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = simulator.files.write_files
    calls = []

    def interrupted(*arguments: Any) -> int:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(simulator.files, "write_files", interrupted)
    with pytest.raises(KeyboardInterrupt):
        demo.write_files(place)
    assert not demo.files_are_complete(place)
    demo.write_files(place)
    assert demo.files_are_complete(place)
    assert list((place.files / "aws").rglob("*-Manifest.json"))
    assert list((place.files / "revenue").glob("*.csv"))


@pytest.mark.django_db
def test_files_count_as_loaded_only_while_the_database_knows_them(place: demo.Place) -> None:
    place.files.mkdir()
    (place.files / "bill.csv").write_text("cost\n1\n")
    place.loaded.write_text(demo.digest(place.files))
    assert not demo.is_loaded(place)


def test_the_digest_sees_every_change(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "bill.csv").write_text("1")
    first = demo.digest(tmp_path)
    assert demo.digest(tmp_path) == first
    (tmp_path / "a" / "bill.csv").write_text("12")
    second = demo.digest(tmp_path)
    (tmp_path / "a" / "bill.csv").rename(tmp_path / "bill.csv")
    assert len({first, second, demo.digest(tmp_path)}) == 3


def test_reset_removes_what_the_demo_made_and_nothing_else(place: demo.Place) -> None:
    for folder in (place.files, place.lake / "charges"):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    for name in (
        "finops.sqlite3",
        "finops.sqlite3-wal",
        "demo-loaded",
        "demo-users.json",
        "mine.txt",
    ):
        (place.var / name).touch()
    outside = place.var.parent / "outside"
    outside.mkdir()
    (outside / "keep").touch()
    (place.files / "link").symlink_to(outside)
    demo.reset(place)
    assert [path.name for path in place.var.iterdir()] == ["mine.txt"]
    assert (outside / "keep").exists()


def test_only_one_process_holds_a_demo(place: demo.Place) -> None:
    with demo.held(place), pytest.raises(demo.DemoIsRunningError), demo.held(place):
        pytest.fail("both hold it")
    with demo.held(place):
        assert place.lock.exists()


def test_the_environment_owes_nothing_to_the_machine(tmp_path: Path) -> None:
    environment = demo.Place(tmp_path / "a folder+with #signs").environment()
    import environ

    database = environ.Env.db_url_config(environment["DATABASE_URL"])
    assert database["NAME"] == str(tmp_path / "a folder+with #signs" / "finops.sqlite3")
    assert environment["REDIS_URL"] == ""
