"""One hour of the simulated company: ``step(state, controls, hour) -> (state, files)``. Pure.

The state does not carry lines: usage is a function of the seed, the hour and the controls' history,
so a delivery rebuilds the month, and a run that was stopped goes on as if it never had been.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from simulator import cur, focus, lines, logpush, resources, revenue, seeded, suppliers, truth, tsa
from simulator.cur import SimulatedFile
from simulator.lines import HOUR, Change, Month, Tally
from simulator.truth import MonthTruth


@dataclass(frozen=True)
class Controls:
    """What the outside decides about one hour.

    ``deliver``: AWS delivers the month to date at the end of this hour. ``close_months``: months that
    have ended get their final delivery (invoiced, taxes settled); without it they wait.
    ``egress`` multiplies a tenant's outgoing traffic (slug to factor, with up to three decimals) from
    this hour on. ``chunk_lines`` is the most rows of one file. Cloudflare's logs are pushed from the
    hour ``logs_from`` on; ``None``: there is no Logpush job. ``stamps``: there is a stamping service, which
    keeps responses as files from ``logs_from`` on.
    """

    deliver: bool = False
    close_months: bool = True
    egress: tuple[tuple[str, Decimal], ...] = ()
    chunk_lines: int = 30_000
    logs_from: datetime | None = None
    stamps: bool = False


@dataclass(frozen=True)
class State:
    """All that the next hour needs. Times are UTC.

    ``origin`` is the first hour of the first simulated month, ``next_hour`` the hour not yet
    simulated, ``executions`` how many deliveries there were, ``ended`` the months that have ended
    but are not closed, ``changes`` the controls' history, ``months`` what was delivered last.
    """

    seed: int
    origin: datetime
    next_hour: datetime
    executions: int = 0
    ended: tuple[datetime, ...] = ()
    changes: tuple[Change, ...] = ()
    months: tuple[MonthTruth, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class _Delivery:
    chunks: tuple[SimulatedFile, ...]
    manifests: tuple[SimulatedFile, ...]


def begin(seed: int, month: datetime) -> State:
    """The state before the first hour of ``month`` (an aware UTC moment at a month's start)."""
    if month != month.replace(day=1, hour=0, minute=0, second=0, microsecond=0):
        msg = f"a simulation begins at the start of a month, not at {month.isoformat()}"
        raise ValueError(msg)
    return State(seed, month.astimezone(UTC), month.astimezone(UTC))


def step(
    state: State, controls: Controls, hour: datetime
) -> tuple[State, tuple[SimulatedFile, ...]]:
    """Simulate ``hour``, which must be the state's next one; manifests are the last files."""
    if hour != state.next_hour:
        msg = f"the next hour is {state.next_hour.isoformat()}, not {hour.isoformat()}"
        raise ValueError(msg)
    state = _with_change(replace(state, next_hour=hour + HOUR), controls, hour)
    month = hour.replace(day=1, hour=0)
    files: list[SimulatedFile] = []
    if hour == month:
        files.append(revenue.revenue_file(state.seed, state.origin, month))
        if month > state.origin:
            last = (month - HOUR).replace(day=1, hour=0)
            state = replace(state, ended=(*state.ended, last))
            files.append(suppliers.invoices_file(state.seed, last))
            files.append(suppliers.rates_file(state.seed, last, month))
    if controls.logs_from is not None and hour >= controls.logs_from:
        files += logpush.hour_files(
            state.seed, state.origin, hour, first=controls.logs_from, egress=_egress(state, hour)
        )
    if controls.stamps:
        files += tsa.hour_files(state.seed, state.origin, hour, archive_from=controls.logs_from)
    deliveries: list[_Delivery] = []
    if controls.close_months:
        for ended in state.ended:
            state, delivery = _deliver(state, controls, ended, closed=True)
            deliveries.append(delivery)
        state = replace(state, ended=())
    if controls.deliver:
        files.append(suppliers.rates_file(state.seed, month, state.next_hour))
        state, delivery = _deliver(state, controls, month, closed=False)
        deliveries.append(delivery)
    if deliveries:
        files += [chunk for delivery in deliveries for chunk in delivery.chunks]
        files.append(truth.truth_file(resources.build(state.seed), state.months))
        files += [manifest for delivery in deliveries for manifest in delivery.manifests]
    return state, tuple(files)


def run(
    state: State, until: datetime, controls: Controls | None = None
) -> Iterator[tuple[State, tuple[SimulatedFile, ...]]]:
    """Step hour by hour up to ``until``; AWS delivers at the end of the last hour."""
    quiet = replace(controls or Controls(), deliver=False)
    while state.next_hour < until:
        last = state.next_hour + HOUR >= until
        state, files = step(state, replace(quiet, deliver=last), state.next_hour)
        yield state, files


def _with_change(state: State, controls: Controls, hour: datetime) -> State:
    wanted = tuple(sorted((slug, int(factor * 1000)) for slug, factor in controls.egress))
    current = state.changes[-1].egress if state.changes else ()
    if wanted == current:
        return state
    return replace(state, changes=(*state.changes, Change(hour, wanted)))


def _egress(state: State, hour: datetime) -> dict[str, int]:
    """The factors that hold in ``hour``."""
    told = [change for change in state.changes if change.hour <= hour]
    return dict(told[-1].egress) if told else {}


def _deliver(
    state: State, controls: Controls, month: datetime, *, closed: bool
) -> tuple[State, _Delivery]:
    world = resources.build(state.seed)
    number = state.executions + 1
    end = lines.next_month(month)
    period = f"{month:%Y-%m}"
    wanted = Month(
        month,
        min(end, state.next_hour),
        state.origin,
        seeded.digits(state.seed, "invoice", period, length=10) if closed else "",
        state.changes,
    )
    # AWS needs a while after the hour; how long differs, and is never a whole second.
    delay = seeded.between(state.seed, "delay", number, low=600_000, high=2_400_000)
    execution = cur.Execution(
        period,
        seeded.uuid_text(state.seed, "execution", number),
        state.next_hour + timedelta(milliseconds=delay),
    )
    tally = Tally()
    chunks = tuple(
        cur.chunk_files(execution, lines.build(world, wanted, tally), controls.chunk_lines)
    )
    invoice_id = f"SNOW-{period}" if closed else ""
    bill = focus.focus_file(state.seed, month, wanted.until, invoice_id)
    told = truth.month_truth(period, execution.id, closed=closed, tally=tally)
    others = tuple(known for known in state.months if known.period != period)
    state = replace(state, executions=number, months=(*others, told))
    return state, _Delivery((*chunks, bill), cur.manifest_files(world, execution, len(chunks)))
