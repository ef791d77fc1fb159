"""Settings that an admin may change while the product runs: their names, units and limits.

Naming rule for what comes later: ``DETECTION_…``, ``POLICY_…``, ``PRICING_…``. The default comes from the
environment (``finops.settings``), a global override beats it, an override for one tenant beats both.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation


class TunableError(ValueError):
    """A value that the setting does not allow; the message is one sentence."""


@dataclass(frozen=True)
class Tunable:
    """One setting: its name in the environment and in the admin, its unit and its limits."""

    name: str
    title: str
    unit: str
    low: Decimal
    high: Decimal
    help_text: str

    def parse(self, text: str) -> Decimal:
        """``text`` as this setting's value. Raises ``TunableError``."""
        try:
            value = Decimal(text.strip())
        except InvalidOperation:
            value = Decimal("NaN")
        if value.is_finite() and self.low <= value <= self.high:
            return value
        msg = f"{self.name} must be a number from {self.low} to {self.high} ({self.unit}), not {text!r}."
        raise TunableError(msg)


@dataclass(frozen=True)
class Effective:
    """A setting as it applies, and where it came from: ``default``, ``global`` or ``tenant``."""

    name: str
    value: Decimal
    origin: str


TUNABLES: dict[str, Tunable] = {
    tunable.name: tunable
    for tunable in (
        Tunable(
            name="MARGIN_GOAL",
            title="Gross margin goal",
            unit="share of revenue, 0.70 is 70 %",
            low=Decimal(0),
            high=Decimal(1),
            help_text="The gross margin that each tenant must stay above.",
        ),
        Tunable(
            name="PRICING_EDGE_BYTES_PER_GB",
            title="Price of bytes sent to eyeballs",
            unit="USD per GB of 10^9 bytes",
            low=Decimal(0),
            high=Decimal(10),
            help_text="What Cloudflare's contract charges for traffic, where the price list has no entry. It is "
            "kept and read back, and makes no figure of a page in this version.",
        ),
    )
}
