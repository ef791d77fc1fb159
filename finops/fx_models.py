"""Exchange rates as they were published, or typed in by a person."""

from __future__ import annotations

from decimal import Decimal

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q

_CURRENCY = RegexValidator(
    r"^[A-Z]{3}\Z", "Write a currency as three capital letters, for example EUR."
)


class ExchangeRate(models.Model):
    """One unit of ``base`` was ``rate`` units of ``quote`` on ``day``."""

    day = models.DateField(help_text="The day it was published for.")
    base = models.CharField(max_length=3, validators=[_CURRENCY], help_text="Of one unit: EUR.")
    quote = models.CharField(
        max_length=3, validators=[_CURRENCY], help_text="In which the rate is told: USD."
    )
    rate = models.DecimalField(
        max_digits=24,
        decimal_places=10,
        validators=[MinValueValidator(Decimal("0.0000000001"))],
        help_text="How many units of the second currency one unit of the first was.",
    )
    source = models.CharField(
        max_length=200,
        help_text="Who published it: the file's name, or a page and the day it was read.",
    )
    changed_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["-day", "base", "quote"]
        constraints = [
            models.UniqueConstraint(
                fields=["day", "base", "quote"], name="one_rate_per_day_and_pair"
            ),
            models.CheckConstraint(condition=Q(rate__gt=0), name="rate_is_positive"),
            models.CheckConstraint(condition=~Q(base=F("quote")), name="rate_is_of_two_currencies"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.base}/{self.quote} {self.rate.normalize():f}"
