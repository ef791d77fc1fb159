"""How usage breathes: over the day, over the week, and as the company grows. Whole numbers only.

Every factor is in thousandths (1000 leaves an amount as it is), growth in ten-thousandths.
"""

from __future__ import annotations

from enum import StrEnum


class Rhythm(StrEnum):
    """How strongly a meter follows its users."""

    FIXED = "fixed"  # one unit an hour, whatever happens: a gateway, a cluster
    STORED = "stored"  # what lies there, with a little drift
    SOFT = "soft"  # servers and databases: they scale, but never to nothing
    BUSINESS = "business"  # traffic and functions: they follow office hours


US, EU = "us-east-1", "eu-west-1"
REGIONS = (US, EU)
"""The regions the company runs in."""

_OFFICE = (
    260, 220, 200, 190, 200, 260, 400, 700, 1150, 1550, 1750, 1800,
    1700, 1720, 1780, 1760, 1650, 1450, 1150, 900, 720, 560, 420, 320,
)  # fmt: skip
_OFFICE_WEEK = (1100, 1150, 1160, 1140, 1060, 520, 480)
_SOFT_WEEK = (1050, 1070, 1075, 1065, 1030, 790, 770)
_EVEN_WEEK = (1000,) * 7
_LOCAL_HOURS = {US: -5, EU: 0}

GROWTH_BASE = 10_000
_GROWTH_A_DAY = 6


def hours(rhythm: Rhythm, region: str) -> tuple[int, ...]:
    """Factor for each UTC hour of a day, from 0; office hours are those of the region."""
    if rhythm in (Rhythm.FIXED, Rhythm.STORED):
        return (1000,) * 24
    local = tuple(_OFFICE[(hour + _LOCAL_HOURS[region]) % 24] for hour in range(24))
    if rhythm is Rhythm.BUSINESS:
        return local
    return tuple((factor + 3 * 1000) // 4 for factor in local)


def weekdays(rhythm: Rhythm) -> tuple[int, ...]:
    """Factor for each day of the week, from Monday; the weekend dips."""
    if rhythm is Rhythm.BUSINESS:
        return _OFFICE_WEEK
    return _SOFT_WEEK if rhythm is Rhythm.SOFT else _EVEN_WEEK


def mean(rhythm: Rhythm) -> int:
    """The mean of hour times weekday over a whole week, in millionths."""
    return sum(hours(rhythm, EU)) * sum(weekdays(rhythm)) // (24 * 7)


def growth(days_since_start: int) -> int:
    """Slow growth since the first simulated day (about 1.8 % a month), in ten-thousandths."""
    return GROWTH_BASE + _GROWTH_A_DAY * days_since_start


def noise(rhythm: Rhythm, raw: int) -> int:
    """Factor of one hour from a raw number of 0 to 65535: 8 % either way, 0.5 % for what is stored."""
    if rhythm is Rhythm.FIXED:
        return 1000
    if rhythm is Rhythm.STORED:
        return 995 + raw * 11 // 65536
    return 920 + raw * 161 // 65536
