"""The address holds the page: what it says is read back the same, and nonsense gets one sentence."""

from __future__ import annotations

from datetime import date
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.state import PARAMETERS, PageState, StateError, read_state, span_text
from finops.core.periods import Window

TODAY = date(2026, 4, 30)


def state(query: str = "", default: str = "30d", path: str = "/") -> PageState:
    return read_state(path, dict(parse_qsl(query)), today=TODAY, default_period=default)


def again(found: PageState, url: str) -> PageState:
    parts = urlsplit(url)
    return read_state(
        parts.path, dict(parse_qsl(parts.query)), today=TODAY, default_period=found.default_period
    )


def test_an_empty_address_has_the_pages_own_period():
    assert state().window == Window(date(2026, 4, 1), date(2026, 5, 1))
    assert state(default="3m").window == Window(date(2026, 2, 1), date(2026, 5, 1))


def test_long_periods_have_months_and_short_ones_days_unless_said():
    assert state("period=7d").granularity == "day"
    assert state("period=30d").granularity == "month"
    assert state("period=3m").granularity == "month"
    assert state("period=3m&granularity=day").granularity == "day"


def test_two_days_alone_are_a_custom_period():
    found = state("from=2026-04-02&to=2026-04-05")
    assert found.period.key == "custom"
    assert found.window == Window(date(2026, 4, 2), date(2026, 4, 6))


def test_days_left_over_from_a_form_do_not_move_a_preset():
    found = state("period=7d&from=2026-01-01&to=2026-01-02")
    assert found.window.days == 7
    assert "from" not in found.url()


def test_an_address_with_changes_keeps_the_rest():
    found = state("period=2026-03&team=core&page=3", path="/tenants/")
    assert found.url(team="") == "/tenants/?period=2026-03"
    assert found.url(page="4") == "/tenants/?period=2026-03&team=core&page=4"


def test_a_link_to_another_page_writes_the_period_out():
    assert (
        state("team=core&sort=gap").link("/tenants/acme/") == "/tenants/acme/?period=30d&team=core"
    )


def test_a_window_becomes_a_month_or_two_days():
    found = state()
    assert found.window_link("/x/", Window.of_month(date(2026, 3, 1))) == "/x/?period=2026-03"
    part = Window(date(2026, 3, 1), date(2026, 3, 4))
    assert found.window_link("/x/", part) == "/x/?period=custom&from=2026-03-01&to=2026-03-03"


def test_chips_take_their_filter_away():
    found = state("provider=AWS&metric=billed&period=7d")
    assert [(chip.name, chip.value, chip.remove_url) for chip in found.chips] == [
        ("provider", "AWS", "/?period=7d&metric=billed"),
        ("cost", "billed", "/?period=7d&provider=AWS"),
    ]
    assert found.narrowed == ("provider",)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("period=fortnight", "choose one from the list"),
        ("period=2026-13", "write it as YYYY-MM"),
        ("period=9999-12", "must lie between"),
        ("period=1999-01", "must lie between"),
        ("from=0001-01-01&to=0001-01-05", "must lie between"),
        ("from=2026-04-05&to=2026-04-02", "swap"),
        ("period=custom", "from='' is not a day"),
        ("granularity=hour", "write day or month"),
        ("metric=list", "write effective or billed"),
        ("compare=budget", "write previous"),
        ("format=pdf", "write csv or xlsx"),
        ("page=0", "whole number from 1"),
        ("page=-1", "whole number from 1"),
        ("page=²", "whole number from 1"),
        ("page=99999999999", "whole number from 1"),
        ("team=" + "x" * 201, "choose one from the list"),
        ("team=a%00b", "choose one from the list"),
        ("from=2025-01-01&to=2026-01-31&granularity=day", "at most 100 days"),
        ("from=2020-01-01&to=2026-01-31", "at most 36 months"),
    ],
)
def test_nonsense_is_answered_with_a_sentence(query, words):
    with pytest.raises(StateError) as caught:
        state(query)
    assert words in str(caught.value)


@given(
    st.dictionaries(
        st.sampled_from([*PARAMETERS, "format"]),
        st.text(max_size=20)
        | st.sampled_from(["day", "2026-04", "custom", "2026-04-01", "csv", "2"]),
    )
)
def test_any_address_is_read_or_refused_and_what_is_read_is_kept(query):
    try:
        found = read_state("/", query, today=TODAY, default_period="30d")
    except StateError:
        return
    copied = again(found, found.url(page=found.get("page")))
    assert (copied.params, copied.window, copied.granularity) == (
        found.params,
        found.window,
        found.granularity,
    )


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        ("2026-04-01", "2026-04-02", "1 Apr 2026"),
        ("2026-04-01", "2026-05-01", "1–30 Apr 2026"),
        ("2026-03-15", "2026-05-01", "15 Mar – 30 Apr 2026"),
        ("2025-12-15", "2026-01-02", "15 Dec 2025 – 1 Jan 2026"),
    ],
)
def test_spans_are_written_with_both_ends(start, end, text):
    assert span_text(Window(date.fromisoformat(start), date.fromisoformat(end))) == text


def test_no_period_reaches_past_the_last_whole_day_of_cost():
    def window(query: str) -> tuple[date, date]:
        found = read_state(
            "/",
            dict(parse_qsl(query)),
            today=date(2026, 4, 22),
            default_period="30d",
            through=date(2026, 4, 20),
        )
        return found.window.start, found.window.last_day

    assert window("") == (date(2026, 3, 22), date(2026, 4, 20))
    assert window("period=today") == (date(2026, 4, 20), date(2026, 4, 20))
    assert window("period=mtd") == (date(2026, 4, 1), date(2026, 4, 20))
    assert window("period=2026-04") == (date(2026, 4, 1), date(2026, 4, 20))
    assert window("from=2026-04-10&to=2026-04-30") == (date(2026, 4, 10), date(2026, 4, 20))
    assert window("period=2026-03") == (date(2026, 3, 1), date(2026, 3, 31))
    assert window("from=2026-04-21&to=2026-04-22") == (date(2026, 4, 21), date(2026, 4, 22))


def test_any_change_but_to_the_page_returns_to_the_first_page():
    found = state("page=3&team=core")
    assert "page" not in found.url()
    assert "page=3" in found.url(page="3")
