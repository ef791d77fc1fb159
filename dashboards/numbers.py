"""Numbers as text: the only place where an amount or a share becomes what people read. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from finops.core.amounts import EXACT, ZERO, plain, ratio, to_cents

MINUS = "−"
DASH = "—"
FIGURE_SPACE = "\u2007"
_MOST_PLACES = 4


def signed(text: str, value: Decimal | int, *, plus: bool) -> str:
    """``text`` with the sign of ``value``: a true minus, and a plus only where asked."""
    if value < 0:
        return f"{MINUS}{text}"
    return f"+{text}" if plus and value > 0 else text


def grouped(value: Decimal | int, *, plus: bool = False) -> str:
    """A count or quantity with thousands separators and all its digits: ``1,204,112``."""
    size = Decimal(value).copy_abs()
    return signed(f"{Decimal(plain(size)):,f}", value, plus=plus)


def money(value: Decimal, *, plus: bool = False) -> str:
    """An amount in cents: ``−1,204.50``."""
    cents = to_cents(value)
    return signed(f"{abs(cents):,.2f}", cents, plus=plus)


def exact_money(value: Decimal) -> str:
    """An amount with every digit it has, at least two: ``1,204.5436190783``."""
    whole, _, fraction = plain(abs(value)).partition(".")
    return signed(f"{int(whole):,}.{fraction.ljust(2, '0')}", value, plus=False)


def aligned(texts: Sequence[str]) -> list[str]:
    """Amounts of one column with their points above each other: figure spaces stand for the digits that end early."""
    most = max((len(text.partition(".")[2]) for text in texts), default=0)
    return [
        text + FIGURE_SPACE * (most - len(text.partition(".")[2])) if "." in text else text
        for text in texts
    ]


def round_places(value: Decimal, places: int) -> Decimal:
    """``value`` at ``places`` decimals, half away from zero; a zero has no sign."""
    rounded = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    return rounded if rounded else rounded.copy_abs()


def percent_value(share: Decimal, places: int = 1) -> Decimal:
    """A share as a number of per cent: ``0.7184`` is ``71.8``."""
    return round_places(share * 100, places)


def percent(share: Decimal, places: int = 1, *, plus: bool = False) -> str:
    """A share as text: ``71.8 %``."""
    value = percent_value(share, places)
    return signed(f"{abs(value):,f} %", value, plus=plus)


def goal_text(goal: Decimal) -> str:
    """A goal without idle zeros: ``65 %``, ``62.5 %``."""
    return f"{plain(goal * 100)} %"


def places_beside(share: Decimal, goal: Decimal) -> int:
    """How many decimals a margin needs so that rounding does not lift it over its goal.

    One decimal usually; a margin of 64.96 % beside a goal of 65 % needs two.
    """
    for places in range(1, _MOST_PLACES):
        shown = percent_value(share, places)
        if (shown < goal * 100) == (share < goal) and (shown > goal * 100) == (share > goal):
            return places
    return _MOST_PLACES


def points_value(share: Decimal, goal: Decimal) -> Decimal:
    """The distance of a shown margin from its goal in percentage points."""
    places = places_beside(share, goal)
    return round_places(percent_value(share, places) - goal * 100, places)


def points(share: Decimal, goal: Decimal, *, plus: bool = True) -> str:
    """``+1.8 points``; without ``plus`` the bare distance, for "1.8 points above"."""
    value = points_value(share, goal)
    text = f"{abs(value):,f} points"
    return signed(text, value, plus=True) if plus else text


@dataclass(frozen=True)
class Change:
    """An amount against the same amount of the period before."""

    current: Decimal
    previous: Decimal

    @property
    def amount(self) -> Decimal:
        """The difference of the shown amounts, so that a reader can check it."""
        return EXACT.subtract(self.current, self.previous)

    @property
    def share(self) -> Decimal | None:
        """The difference as a share of the earlier amount; ``None`` where that was zero."""
        return ratio(self.amount, abs(self.previous))

    @property
    def arrow(self) -> str:
        """A glyph for the direction, always beside ``word``."""
        return arrow(self.amount)

    @property
    def word(self) -> str:
        """``up``, ``down`` or ``unchanged``."""
        return direction(self.amount)


def arrow(value: Decimal) -> str:
    """A glyph for the sign of ``value``."""
    return "▲" if value > 0 else "▼" if value < 0 else "■"


def direction(value: Decimal) -> str:
    """A word for the sign of ``value``."""
    return "up" if value > 0 else "down" if value < 0 else "unchanged"


def share_of(part: Decimal, whole: Decimal) -> Decimal | None:
    """``part`` of ``whole`` as a share; ``None`` where the whole is zero."""
    return ratio(part, whole) if whole != ZERO else None


def file_size(size: int) -> str:
    """Bytes as people read them: ``3.8 GB`` (powers of 1000)."""
    amount = Decimal(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:,.1f} {unit}" if unit != "bytes" else f"{amount:,f} {unit}"
        amount /= 1000
    return f"{amount:,.1f} TB"


def counted(number: int, singular: str, plural: str = "") -> str:
    """``1 source``, ``4 sources``."""
    return f"{grouped(number)} {singular if number == 1 else plural or singular + 's'}"


def listed(names: list[str], most: int = 3) -> str:
    """``Acme, Globex and 4 more``."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
