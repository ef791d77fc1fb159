"""The command: it writes, goes on, and refuses in one sentence. No test here may use a database."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from simulator import files
from simulator.step import Controls, begin
from tests.simulator.deliveries import simulate, utc

END = "2026-10-02T00:00:00Z"
LOGS = Controls(logs_from=utc(2026, 10, 1), stamps=True)


def simulate_command(out: Path, *options: str) -> str:
    said = io.StringIO()
    call_command("simulate", "--out", str(out), *options, stdout=said)
    return said.getvalue()


def tree(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def refused(out: Path, *options: str) -> str:
    with pytest.raises(CommandError) as caught:
        simulate_command(out, *options)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return f"{caught.value.returncode}: {sentence}"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "not" / "yet" / "there"


@pytest.fixture
def filled(out: Path) -> Path:
    simulate_command(out, "--months", "1", "--end", END)
    return out


def test_it_writes_what_the_core_says_and_nothing_else(filled: Path):
    expected = simulate(utc(2026, 10, 1), utc(2026, 10, 2), controls=LOGS).files
    assert {path: body for path, body in tree(filled).items() if path != "state.json"} == expected


def test_going_on_continues_from_the_record(filled: Path):
    said = simulate_command(filled, "--advance", "2h")
    assert "2026-10-02 00:00 to 2026-10-02 02:00 UTC" in said
    assert "2026-10 open:" in said
    first = simulate(utc(2026, 10, 1), utc(2026, 10, 2), controls=LOGS)
    more = simulate(utc(2026, 10, 1), utc(2026, 10, 2, 2), state=first.state, controls=LOGS)
    expected = first.files | more.files
    assert {path: body for path, body in tree(filled).items() if path != "state.json"} == expected
    record = files.read_record(filled)
    assert record is not None
    assert record.state == more.state


def test_filling_again_is_nothing_to_do(filled: Path):
    before = tree(filled)
    assert "Nothing to do" in simulate_command(filled, "--months", "1", "--end", END, "--seed", "7")
    assert "Nothing to do" in simulate_command(filled)
    assert tree(filled) == before


def test_a_run_that_was_killed_is_finished_by_the_same_command(filled: Path):
    whole = tree(filled)
    record = files.read_record(filled)
    assert record is not None
    files.write_record(filled, files.Record(record.end, begin(7, utc(2026, 10, 1))))
    assert "is not finished" in refused(filled, "--advance", "1h")
    simulate_command(filled)
    assert tree(filled) == whole


def test_the_default_end_is_the_last_whole_day(out: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("finops.clock.now", lambda: utc(2026, 10, 2, 17).replace(minute=42))
    said = simulate_command(out, "--months", "1")
    assert "2026-10-01 00:00 to 2026-10-02 00:00 UTC" in said


def test_an_end_at_midnight_of_the_first_ends_the_month_before(out: Path):
    said = simulate_command(out, "--months", "1", "--end", "2026-03-01T02:00:00+02:00")
    assert said.startswith("2026-02: simulated\n")
    assert "2026-02 open:" in said


def test_a_month_that_turns_is_closed(out: Path):
    said = simulate_command(out, "--months", "2", "--end", "2026-03-01T01:00:00Z")
    assert "2026-02 closed:" in said
    assert "2026-03 open:" in said
    assert (out / "revenue" / "revenue-2026-02.csv").is_file()


def test_refusals_are_one_sentence_and_exit_code_2(tmp_path: Path, filled: Path):
    a_file = tmp_path / "file"
    a_file.write_text("x")
    assert refused(a_file).startswith("2: ")
    assert "is a file" in refused(a_file)
    assert "no state.json" in refused(tmp_path / "empty", "--advance", "24h")
    assert "--seed 7" in refused(filled, "--seed", "8")
    assert "--end 2026-10-02T00:00:00Z" in refused(filled, "--end", "2026-10-03T00:00:00Z")
    assert "--months 2" in refused(filled, "--months", "2")
    assert "leave out --seed" in refused(filled, "--advance", "1h", "--seed", "7")
    assert "is not empty" in refused(tmp_path)
    assert "cannot be" in refused(a_file / "below", "--end", END)
    assert not (tmp_path / "empty").exists()


@pytest.mark.parametrize("bad", ["24", "h", "-3h", "0h", "1.5d", "99999d", "24 h", "1w", "", "²h"])
def test_bad_durations_are_refused(out: Path, bad: str):
    assert f"2: --advance {bad!r} is no duration" in refused(out, f"--advance={bad}")


@pytest.mark.parametrize(
    "bad", ["yesterday", "2026-11-22", "2026-11-22T00:30:00Z", "0001-01-01T00:00:00Z"]
)
def test_bad_ends_are_refused(out: Path, bad: str):
    assert f"2: --end {bad!r} " in refused(out, "--end", bad)
    assert not out.exists()


@pytest.mark.parametrize("bad", ["0", "25", "-1", "three", "²"])
def test_bad_months_are_refused(out: Path, bad: str):
    assert f"2: --months {bad!r} " in refused(out, f"--months={bad}")


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"version": 9}', '{"version": 1, "end": 3, "state": {}}']
)
def test_a_spoilt_record_is_refused(filled: Path, text: str):
    (filled / "state.json").write_text(text)
    assert "state.json" in refused(filled, "--advance", "1h")


def test_no_half_written_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a" / "file"
    files.write_atomically(path, b"old")

    def fails(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(OSError, match="No space"):
        files.write_atomically(path, b"new")
    assert tree(tmp_path) == {"a/file": b"old"}


def test_the_record_is_readable_json(filled: Path):
    record = json.loads((filled / "state.json").read_bytes())
    assert record["version"] == 1
    assert record["end"] == "2026-10-02T00:00:00+00:00"
    assert record["state"]["next_hour"] == "2026-10-02T00:00:00+00:00"
