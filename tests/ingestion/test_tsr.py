"""Time-stamp responses as bytes from anywhere: those of OpenSSL are read, hostile ones are refused with a sentence."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from shutil import which

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.core.tsa import FAILURES, RefusedError, Status
from ingestion.core.tsr import MAX_BYTES, read_response
from simulator.tsr import Token, granted, rejected
from tests.ingestion.stamps import DATA

LATER = datetime(2026, 12, 1, tzinfo=UTC)
AT = datetime(2026, 11, 3, 4, 5, 6, tzinfo=UTC)
MADE = granted(Token(AT, 300, bytes(range(32))), "Test TSA")
TIME = b"20261103040506Z"
GRANTED = (DATA / "granted.tsr").read_bytes()
TST_INFO = bytes.fromhex("060b2a864886f70d0109100104")


def why(content: bytes) -> str:
    with pytest.raises(RefusedError) as refused:
        read_response(content, now=LATER)
    return str(refused.value)


def test_a_token_that_openssl_made_is_read():
    found = read_response(GRANTED, now=LATER)
    assert found.status is Status.GRANTED
    assert found.at == datetime(2026, 11, 25, 12, 32, 6, tzinfo=UTC)
    assert (found.hash_algorithm, found.digest) == ("sha256", sha256(b"hello\n").digest())


def test_a_token_with_certificates_and_another_hash_is_read():
    found = read_response((DATA / "granted512.tsr").read_bytes(), now=LATER)
    assert (found.hash_algorithm, len(found.digest)) == ("sha512", 64)


def test_a_rejection_that_openssl_made_bears_no_token_and_says_why():
    found = read_response((DATA / "rejected.tsr").read_bytes(), now=LATER)
    assert (found.status, found.at, found.digest) == (Status.REJECTION, None, b"")
    assert found.text == "Requested policy is not supported."
    assert FAILURES[found.failure or 0][0] == "unacceptedPolicy"


def test_serial_number_and_policy_of_a_token_are_kept():
    found = read_response(MADE, now=LATER)
    assert int.from_bytes(found.serial) == 300
    assert found.policy.count(".") >= 3
    assert found.failure is None


def test_what_the_simulators_tsa_rejects_for_is_read():
    assert read_response(rejected("Not that one."), now=LATER).failure == 0


@given(st.binary(max_size=6), st.integers(0, 40))
def test_a_rejection_with_any_failure_info_is_read_and_names_the_first_bit(bits: bytes, pad: int):
    # PKIStatusInfo with status 2, a text of ``pad`` letters and these bits.
    text = _der(0x30, _der(0x0C, b"x" * pad))
    content = _der(0x30, _der(0x30, b"\x02\x01\x02", text, _der(0x03, b"\x00" + bits)))
    first = next((n for n in range(27) if n < 8 * len(bits) and bits[n // 8] & 0x80 >> n % 8), None)
    assert read_response(content, now=LATER).failure == first


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    assert len(content) < 0x80
    return bytes([tag, len(content)]) + content


@pytest.mark.skipif(not which("openssl"), reason="openssl is not installed")
def test_openssl_reads_what_the_simulator_makes(tmp_path):
    for name, content in (("granted", MADE), ("rejected", rejected("Not that one."))):
        path = tmp_path / f"{name}.tsr"
        path.write_bytes(content)
        said = subprocess.run(
            ["openssl", "ts", "-reply", "-in", str(path), "-text"], capture_output=True, check=True
        ).stdout.decode()
        assert f"Status: {name.capitalize()}" in said
        assert ("Nov  3 04:05:06 2026 GMT" in said) == (name == "granted")


def test_modifications_are_granted_too():
    found = read_response(granted(Token(AT, 1, bytes(32), with_mods=True), "T"), now=LATER)
    assert found.status is Status.GRANTED_WITH_MODS
    assert found.at == AT


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (GRANTED[:-9], "no time-stamp response"),
        (GRANTED + b"\0", "no time-stamp response"),
        (b"<html>502 Bad Gateway</html>", "no time-stamp response"),
        (b"\x30\x80" * 8000, "no time-stamp response"),
        (b"\x30\x84\xff\xff\xff\xff" + bytes(90), "no time-stamp response"),
        (bytes(MAX_BYTES + 1), "larger than 64 kB"),
        (MADE.replace(TIME, b"20271103040506Z"), "lies in the future"),
        (MADE.replace(TIME, b"19701103040506Z"), "before 2000"),
        (MADE.replace(TIME, b"-9991103040506Z"), "no token"),
        (MADE.replace(TIME, b"20261303040506Z"), "no token"),
        (GRANTED.replace(TST_INFO, TST_INFO[:-1] + b"\x05"), "no token"),
        (granted(Token(AT, 1, bytes(20)), "T"), "which sha256 never has"),
        (bytes.fromhex("30053003020100"), "no token"),
        (bytes.fromhex("30053003020109"), "status 9"),
    ],
)
def test_what_is_no_response_is_refused_with_a_clause(content, words):
    assert words in why(content)


def test_a_nested_bomb_is_refused_at_once():
    bomb = b""
    while len(bomb) < MAX_BYTES - 10:
        size = len(bomb)
        length = bytes([size]) if size < 128 else b"\x83" + size.to_bytes(3)
        bomb = b"\x30" + length + bomb
    assert "no time-stamp response" in why(bomb)


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_read(content):
    _quietly(content)


@given(st.integers(0, len(GRANTED) - 1), st.integers(0, 255), st.integers(0, len(GRANTED)))
def test_a_response_with_any_byte_changed_is_refused_or_read(place, byte, cut):
    _quietly(GRANTED[:place] + bytes([byte]) + GRANTED[place + 1 :])
    _quietly(GRANTED[:cut])


def _quietly(content: bytes) -> None:
    try:
        found = read_response(content, now=LATER)
    except RefusedError:
        return
    assert found.status.has_token == bool(found.at)
    assert found.at is None or found.at < LATER + timedelta(minutes=11)
