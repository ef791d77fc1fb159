"""The state of a page, kept whole in its address: a copied address shows the same page. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, cast
from urllib.parse import urlencode

from finops.core.periods import (
    PRESETS,
    PeriodError,
    ReportingPeriod,
    Window,
    add_months,
    month_start,
    month_text,
    parse_moment,
    resolve_period,
)

Granularity = Literal["day", "month"]
Metric = Literal["effective", "billed"]
Basis = Literal["restated", "reported"]

NARROWING = ("provider", "environment", "product", "team")
"""Filters that take away cost but cannot take away revenue."""
SHARED = (
    *("period", "from", "to", "granularity", "compare", "metric", "basis", "as_of"),
    *NARROWING,
)
OWN = ("category", "service", "charge", "actor", "verb", "target", "verify", "sort", "page")
PARAMETERS = (*SHARED, *OWN)

_CHOICES = {
    "granularity": ("day", "month"),
    "compare": ("previous",),
    "metric": ("effective", "billed"),
    "basis": ("restated", "reported"),
    "verify": ("chain",),
    "format": ("csv", "xlsx"),
}
_LONGEST_VALUE = 200
_EARLIEST, _LATEST = date(2000, 1, 1), date(2100, 1, 1)
_MOST_DAYS, _MOST_MONTHS = 100, 36
_MONTHS_OVER_DAYS = 7
_MOST_PAGES = 100_000
_MONTHS_OFFERED = 13


class StateError(ValueError):
    """An address that asks for something impossible; the message says what to write instead."""


@dataclass(frozen=True)
class Link:
    """One choice of a picker, as a link."""

    label: str
    url: str
    active: bool


@dataclass(frozen=True)
class Chip:
    """One filter that is on, with the address of the same page without it."""

    name: str
    value: str
    remove_url: str


@dataclass(frozen=True)
class PageState:
    """What the address says, checked; ``url`` gives the address of the page with changes."""

    path: str
    params: Mapping[str, str]
    default_period: str
    period: ReportingPeriod
    granularity: Granularity
    today: date
    format: str = ""

    @property
    def window(self) -> Window:
        """The days that the page covers."""
        return self.period.window

    @property
    def compare(self) -> bool:
        """Whether columns for the period before are shown."""
        return "compare" in self.params

    @property
    def metric(self) -> Metric:
        """Which cost the page counts."""
        return cast(Metric, self.params.get("metric", "effective"))

    @property
    def basis(self) -> Basis:
        """Whether closed months stand as they were reported."""
        return cast(Basis, self.params.get("basis", "restated"))

    @property
    def as_of(self) -> datetime | None:
        """The moment whose knowledge is asked for; ``None`` is now."""
        return parse_moment(self.params["as_of"]) if "as_of" in self.params else None

    @property
    def page(self) -> int:
        """The page of a long list, from 1."""
        return int(self.params.get("page", "1"))

    @property
    def sort(self) -> str:
        """The column to sort by, with a leading ``-`` for descending; empty for the page's own order."""
        return self.params.get("sort", "")

    @property
    def narrowed(self) -> tuple[str, ...]:
        """Names of the filters that are on and that take away cost only."""
        return tuple(name for name in NARROWING if name in self.params)

    def get(self, name: str) -> str:
        """The text of one parameter, empty where it is not set."""
        return self.params.get(name, "")

    def url(self, path: str = "", **changes: str) -> str:
        """This page's address with ``changes``; an empty text takes a parameter away.

        Any change but to ``page`` returns to the first page.
        """
        merged = {**self.params, **changes}
        if "page" not in changes:
            merged.pop("page", None)
        if "period" in changes and changes["period"] != "custom":
            merged.pop("from", None)
            merged.pop("to", None)
        return _address(path or self.path, merged)

    def link(self, path: str, **changes: str) -> str:
        """The address of another page over the same period and filters.

        The period is written out, because another page may have another default.
        """
        kept = {name: self.params[name] for name in SHARED if name in self.params}
        kept.setdefault("period", self.period.key)
        kept.update(changes)
        if kept["period"] != "custom":
            kept.pop("from", None)
            kept.pop("to", None)
        return _address(path, kept)

    def window_link(self, path: str, window: Window, **changes: str) -> str:
        """``link`` over another span of days."""
        if window == Window.of_month(window.start):
            return self.link(path, period=month_text(window.start), **changes)
        days = {"from": window.start.isoformat(), "to": window.last_day.isoformat()}
        return self.link(path, **{"period": "custom", **days, **changes})

    @property
    def csv_url(self) -> str:
        """This page's table as CSV."""
        return self.url(format="csv")

    @property
    def xlsx_url(self) -> str:
        """This page's table as a spreadsheet."""
        return self.url(format="xlsx")

    @property
    def preset_links(self) -> list[Link]:
        """The period picker."""
        return [
            Link(preset.label, self.url(period=preset.key), preset.key == self.period.key)
            for preset in PRESETS
        ]

    @property
    def months(self) -> list[tuple[str, str]]:
        """The calendar months that the form offers, newest first."""
        first = month_start(self.today)
        months = [add_months(first, -back) for back in range(_MONTHS_OFFERED)]
        if (
            self.period.window == Window.of_month(self.window.start)
            and self.window.start not in months
        ):
            months.append(self.window.start)
        return [(month_text(month), f"{month:%B %Y}") for month in months]

    @property
    def presets(self) -> list[tuple[str, str]]:
        """The presets that the form offers."""
        return [(preset.key, preset.label) for preset in PRESETS]

    @property
    def chips(self) -> list[Chip]:
        """The filters that are on, each removable."""
        chips = [Chip(name, self.params[name], self.url(**{name: ""})) for name in self.narrowed]
        if self.metric == "billed":
            chips.append(Chip("cost", "billed", self.url(metric="")))
        if self.basis == "reported":
            chips.append(Chip("closed months", "as reported", self.url(basis="")))
        if "as_of" in self.params:
            chips.append(Chip("as known on", self.params["as_of"], self.url(as_of="")))
        return chips

    @property
    def span(self) -> str:
        """The days that the page covers, in words: ``1–30 Nov 2026``."""
        return span_text(self.window)


def span_text(window: Window) -> str:
    """A window in words, both ends included: ``1–30 Nov 2026``."""
    first, last = window.start, window.last_day
    if first == last:
        return f"{first.day} {first:%b %Y}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{last.day} {last:%b %Y}"
    if first.year == last.year:
        return f"{first.day} {first:%b} – {last.day} {last:%b %Y}"
    return f"{first.day} {first:%b %Y} – {last.day} {last:%b %Y}"


def read_state(
    path: str,
    query: Mapping[str, str],
    *,
    today: date,
    default_period: str,
    through: date | None = None,
) -> PageState:
    """The state that an address asks for. Raises ``StateError`` with a sentence for people.

    ``through`` is the last day whose cost is whole: presets end with it, other periods are cut there.
    """
    params = {name: query.get(name, "").strip() for name in (*PARAMETERS, "format")}
    params = {name: value for name, value in params.items() if value}
    for name, value in params.items():
        if len(value) > _LONGEST_VALUE or not value.isprintable():
            msg = f"{name} is not a name that a filter can hold: choose one from the list."
            raise StateError(msg)
        if name in _CHOICES and value not in _CHOICES[name]:
            msg = f"{name}={value} is not a choice: write {' or '.join(_CHOICES[name])}."
            raise StateError(msg)
    _check_page(params)
    _check_as_of(params, today)
    anchor = today if through is None else min(today, through)
    period = _period(params, anchor, default_period)
    if through is not None:
        period = period.until(through + timedelta(days=1))
    for name, default in (("metric", "effective"), ("basis", "restated")):
        if params.get(name) == default:
            del params[name]
    file_format = params.pop("format", "")
    return PageState(
        path=path,
        params=params,
        default_period=default_period,
        period=period,
        granularity=_granularity(params, period.window),
        today=today,
        format=file_format,
    )


def _check_page(params: dict[str, str]) -> None:
    page = params.get("page", "1")
    if not (page.isascii() and page.isdigit() and 1 <= int(page) <= _MOST_PAGES):
        msg = f"page={page} is not a page: write a whole number from 1."
        raise StateError(msg)


def _check_as_of(params: Mapping[str, str], today: date) -> None:
    if "as_of" not in params:
        return
    try:
        moment = parse_moment(params["as_of"])
    except PeriodError as error:
        msg = f"as_of: {error}"
        raise StateError(msg) from None
    if not _EARLIEST <= moment.date() <= today:
        msg = f"as_of={params['as_of']} must lie between {_EARLIEST} and today, {today}."
        raise StateError(msg)


def _period(params: dict[str, str], today: date, default_period: str) -> ReportingPeriod:
    named = params.get("period", "")
    if not named and ("from" in params or "to" in params):
        named = params["period"] = "custom"
    if named != "custom":
        params.pop("from", None)
        params.pop("to", None)
    key = named or default_period
    start, end = params.get("from", ""), params.get("to", "")
    if key not in {*(preset.key for preset in PRESETS), "custom"} and not key[:1].isdigit():
        msg = (
            f"period={key} is not a period: choose one from the list, or write a month as YYYY-MM."
        )
        raise StateError(msg)
    try:
        period = resolve_period(key, today=today, start=start, end=end)
    except OverflowError:
        raise StateError(_out_of_range()) from None
    except ValueError as error:
        # A PeriodError speaks to people; what the calendar itself says does not.
        sentence = (
            str(error) if "write it as" in str(error) or "swap" in str(error) else _out_of_range()
        )
        raise StateError(sentence) from None
    if period.window.start < _EARLIEST or period.window.end > _LATEST:
        raise StateError(_out_of_range())
    return period


def _out_of_range() -> str:
    return f"The period must lie between {_EARLIEST} and {_LATEST}."


def _granularity(params: Mapping[str, str], window: Window) -> Granularity:
    chosen = params.get("granularity")
    granularity: Granularity = "month" if window.days > _MONTHS_OVER_DAYS else "day"
    if chosen is not None:
        granularity = cast(Granularity, chosen)
    if granularity == "day" and window.days > _MOST_DAYS:
        msg = f"A table by day holds at most {_MOST_DAYS} days, this period has {window.days}: choose months."
        raise StateError(msg)
    months = sum(1 for _ in window.each_month())
    if months > _MOST_MONTHS:
        msg = f"A table holds at most {_MOST_MONTHS} months, this period has {months}: choose a shorter one."
        raise StateError(msg)
    return granularity


def _address(path: str, params: Mapping[str, str]) -> str:
    pairs = [(name, params[name]) for name in (*PARAMETERS, "format") if params.get(name)]
    return f"{path}?{urlencode(pairs)}" if pairs else path
