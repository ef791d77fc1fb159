"""P&L by tenant: the figures of the page Tenants, of a tenant's statement and of `manage.py pnl`."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from django.http import Http404
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.core.figures import Granularity, Slice
from allocation.core.pnl import NON_PRODUCTION, Verdict
from allocation.coverage import Gap
from allocation.currencies import Converted
from allocation.past import PastGoneError
from allocation.pnl_table import PnlLine, pnl_table
from allocation.reported import ReportedError
from allocation.selectors import currency_notes
from finops import clock
from finops.api.fields import EARLIEST, LATEST
from finops.api.problems import InvalidQuery
from finops.api.views import ApiView, Query, read_query
from finops.core.amounts import ZERO, exact_sum, plain, ratio
from finops.core.periods import (
    PRESETS,
    PeriodError,
    Window,
    month_text,
    parse_moment,
    resolve_period,
)
from finops.models import User
from finops.permissions import Capability, sees_company, visible_tenants
from ingestion.selectors import last_whole_day

_MOST_SPANS = {"period": 1, "month": 36, "day": 100}
_MOST_SPANS_OF_ALL = 36
_PERIOD = "|".join([*(preset.key for preset in PRESETS), "20[0-9]{2}-(0[1-9]|1[0-2])"])
_DAY = r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}$"
_MOMENT = r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?Z?)?$"


class PnlQuery(Query):
    """Whose P&L, over what."""

    period = serializers.RegexField(
        rf"^({_PERIOD})$",
        required=False,
        help_text="A month, YYYY-MM, or a span as pages name it; 30d where nothing is said.",
    )
    to = serializers.RegexField(_DAY, required=False, help_text="Last day, with `from`.")
    tenant = serializers.SlugField(required=False, max_length=63, help_text="Only this one.")
    granularity = serializers.ChoiceField(
        list(_MOST_SPANS),
        default="period",
        help_text="One row per tenant, or one per tenant and month or day.",
    )
    whole = serializers.BooleanField(
        default=False,
        help_text="Also days whose cost has not come, as `manage.py pnl` counts; pages leave them out.",
    )
    as_of = serializers.RegexField(
        _MOMENT,
        required=False,
        help_text="The bills as they were known then: a day, or a time in UTC.",
    )
    basis = serializers.ChoiceField(
        ["restated", "reported"],
        default="restated",
        help_text="reported: closed months as they were closed; what became known since stands in the month that it "
        "was booked in, under the category Prior-period adjustments. By whole months only.",
    )

    def get_fields(self) -> dict[str, Any]:
        """``from`` is a word of Python's own, so it is named here."""
        start = serializers.RegexField(_DAY, required=False, help_text="First day, with `to`.")
        return {**super().get_fields(), "from": start}


class PnlLineSerializer(serializers.Serializer[Any]):
    """One P&L. Money is exact, on effective cost, in `currency`; margins and shares are fractions of 1."""

    tenant = serializers.CharField(
        allow_null=True, help_text="Slug; null for cost that nobody bears, and for the company."
    )
    start = serializers.DateField(help_text="First day.")
    end = serializers.DateField(help_text="The day after the last.")
    revenue = serializers.CharField()
    direct_cost = serializers.CharField()
    shared_cost = serializers.CharField(
        allow_null=True, help_text="null where no method splits pools."
    )
    cost = serializers.CharField(help_text="Before credits and what is below the line.")
    estimated_cost = serializers.CharField(
        help_text="What of the cost is no bill's yet, but estimated from usage."
    )
    cost_by_category = serializers.DictField(
        child=serializers.CharField(), help_text="FOCUS service category → direct cost."
    )
    gross_profit = serializers.CharField(allow_null=True)
    gross_margin = serializers.CharField(allow_null=True)
    gross_margin_low = serializers.CharField(
        allow_null=True,
        help_text="If every uncertain line were this tenant's; null for the company.",
    )
    gross_margin_high = serializers.CharField(
        allow_null=True, help_text="If only the certain lines were; null for the company."
    )
    reason = serializers.CharField(
        allow_null=True, help_text="Why there is no margin, or no profit; null where there is."
    )
    credits = serializers.CharField()
    gross_profit_after_credits = serializers.CharField(allow_null=True)
    gross_margin_after_credits = serializers.CharField(allow_null=True)
    below_the_line = serializers.CharField(
        help_text="Tax, or what PNL_BELOW_THE_LINE names, and cost of non-production environments."
    )
    non_production = serializers.CharField(
        help_text="What of it is cost of NON_PRODUCTION_ENVIRONMENTS."
    )
    firm = serializers.CharField(help_text="Cost that a tag gave.")
    inferred = serializers.CharField(help_text="Cost that a rule inferred.")
    fallback = serializers.CharField(help_text="Cost that a fallback gave, or nothing.")
    firm_share = serializers.CharField(allow_null=True)
    inferred_share = serializers.CharField(allow_null=True)
    fallback_share = serializers.CharField(allow_null=True)
    margin_goal = serializers.CharField()
    verdict = serializers.ChoiceField(
        [verdict.value for verdict in Verdict],
        allow_null=True,
        help_text="Against the goal; null for cost that nobody bears, and where a bill is missing.",
    )


class ConversionSerializer(serializers.Serializer[Any]):
    """Amounts of one currency and month, and the rate that converted them."""

    currency = serializers.CharField()
    month = serializers.CharField()
    cost = serializers.CharField(help_text="In that currency.")
    revenue = serializers.CharField(help_text="In that currency.")
    rate = serializers.CharField(help_text="Units of the reporting currency for one of it.")
    basis = serializers.CharField(help_text="What the rate is: average of a month, or of a day.")
    provisional = serializers.BooleanField(help_text="Whether the month may still bring rates.")


def _conversion(one: Converted) -> dict[str, object]:
    return {
        "currency": one.rate.base,
        "month": month_text(one.rate.month),
        "cost": plain(one.cost),
        "revenue": plain(one.revenue),
        "rate": plain(one.rate.rate),
        "basis": one.rate.basis,
        "provisional": one.rate.provisional,
    }


class PnlSerializer(serializers.Serializer[Any]):
    """Rows by span and tenant."""

    start = serializers.DateField(help_text="First day.")
    end = serializers.DateField(help_text="The day after the last.")
    currency = serializers.CharField()
    granularity = serializers.ChoiceField(list(_MOST_SPANS))
    cost_through = serializers.DateField(
        allow_null=True,
        help_text="Last day whose cost has come whole; null where there is no bill.",
    )
    other_currencies = serializers.ListField(
        child=serializers.CharField(), help_text="Left out, because no rate is known."
    )
    conversions = ConversionSerializer(
        many=True, help_text="Amounts in other currencies that are in the figures, by month."
    )
    results = PnlLineSerializer(many=True)
    company = PnlLineSerializer(
        many=True,
        allow_null=True,
        help_text="The sum of all, one row a span; null with `tenant`, and for people limited to some tenants.",
    )


class PnlView(ApiView):
    """Profit and loss."""

    needs: ClassVar = {"GET": Capability.VIEW_PNL}

    @extend_schema(
        operation_id="pnl",
        summary="Profit and loss by tenant",
        parameters=[PnlQuery],
        responses=PnlSerializer,
    )
    def get(self, request: Request) -> Response:
        """Revenue, cost and margin with its bounds. The period ends with the last day whose cost has come, as
        on pages, unless `whole` is true. People limited to some tenants see these only, and no sum of all."""
        query = read_query(request, PnlQuery)
        through = last_whole_day(clock.now())
        slice_ = Slice(
            window=_window(query, through),
            tenants=_tenants(request.user, query.get("tenant")),
            currency=settings.REPORTING_CURRENCY,
            as_of=_as_of(query),
            basis=query["basis"],
        )
        granularity = _granularity(query, slice_.window)
        try:
            table = pnl_table(slice_, granularity, through=through)
        except PastGoneError as error:
            raise InvalidQuery({"as_of": [str(error)]}) from None
        except ReportedError as error:
            raise InvalidQuery({"basis": [str(error)]}) from None
        notes = currency_notes(slice_)
        answer = {
            "start": slice_.window.start,
            "end": slice_.window.end,
            "currency": slice_.currency,
            "granularity": query["granularity"],
            "cost_through": through,
            "other_currencies": sorted({one.currency for one in notes.missing}),
            "conversions": [_conversion(one) for one in notes.converted],
            "results": [_row(line) for line in table.lines],
            "company": None
            if table.company is None
            else [_row(line, is_company=True) for line in table.company],
        }
        return Response(PnlSerializer(answer).data)


def _window(query: dict[str, Any], through: date | None) -> Window:
    """The days that the query asks for. Raises ``InvalidQuery``."""
    start, end = query.get("from", ""), query.get("to", "")
    if (start or end) and "period" in query:
        raise InvalidQuery({"period": ["Write either period, or from and to."]})
    key = "custom" if start or end else query.get("period", "30d")
    today = clock.today()
    anchor = today if through is None else min(today, through)
    try:
        period = resolve_period(key, today=anchor, start=start, end=end)
    except (PeriodError, OverflowError) as error:
        raise InvalidQuery({"from" if start or end else "period": [str(error)]}) from None
    if period.window.start < EARLIEST or period.window.end > LATEST:
        msg = f"The period must lie between {EARLIEST} and {LATEST}."
        raise InvalidQuery({"from" if start or end else "period": [msg]})
    if through is not None and not query["whole"]:
        period = period.until(through + timedelta(days=1))
    return period.window


def _granularity(query: dict[str, Any], window: Window) -> Granularity | None:
    """Raises ``InvalidQuery`` where there would be too many rows."""
    chosen: str = query["granularity"]
    if chosen == "period":
        return None
    spans = window.days if chosen == "day" else sum(1 for _ in window.each_month())
    most = _MOST_SPANS[chosen] if "tenant" in query else _MOST_SPANS_OF_ALL
    if spans > most:
        msg = (
            f"These are {spans} {chosen}s, {most} are the limit: choose a shorter period, or months, "
            "or one tenant."
        )
        raise InvalidQuery({"granularity": [msg]})
    return "day" if chosen == "day" else "month"


def _tenants(user: Any, slug: str | None) -> tuple[str, ...] | None:
    """Whose figures; ``None`` is the whole company. Raises 404 for a tenant that may not be seen."""
    if not isinstance(user, User):
        raise TypeError  # the permission lets nobody else through
    visible = visible_tenants(user)
    if slug is not None:
        if not visible.filter(slug=slug).exists():
            msg = f"There is no tenant {slug!r} that you may see."
            raise Http404(msg)
        return (slug,)
    return None if sees_company(user) else tuple(visible.values_list("slug", flat=True))


def _as_of(query: dict[str, Any]) -> Any:
    if "as_of" not in query:
        return None
    try:
        moment = parse_moment(query["as_of"])
    except PeriodError as error:
        raise InvalidQuery({"as_of": [str(error)]}) from None
    if not EARLIEST <= moment.date() <= clock.today():
        msg = f"It must lie between {EARLIEST} and today, {clock.today()}."
        raise InvalidQuery({"as_of": [msg]})
    return moment


def _row(line: PnlLine, *, is_company: bool = False) -> dict[str, Any]:
    pnl, missing = line.pnl, _missing(line.gap)
    unborne = line.tenant is None and not is_company
    reason = missing or ("no revenue is recognised in these days" if pnl.revenue <= 0 else "")

    def told(value: Decimal | None, *, also: bool = True) -> str | None:
        return None if value is None or missing or not also else plain(value)

    bands = {"firm": pnl.firm, "inferred": pnl.inferred, "fallback": pnl.fallback}
    total = exact_sum(bands.values())
    # Shares of a sum that a correction made negative would say nothing.
    sharable = total > ZERO and min(bands.values()) >= ZERO
    shares = {name: ratio(part, total) if sharable else None for name, part in bands.items()}
    return {
        "tenant": line.tenant,
        "start": line.window.start,
        "end": line.window.end,
        "revenue": plain(pnl.revenue),
        "direct_cost": plain(exact_sum(pnl.direct.values())),
        "shared_cost": None if pnl.shared is None else plain(pnl.shared),
        "cost": plain(pnl.cost),
        "estimated_cost": plain(pnl.estimated),
        "cost_by_category": {name: plain(amount) for name, amount in pnl.direct.items()},
        "gross_profit": told(pnl.gross_profit),
        "gross_margin": told(pnl.gross_margin),
        "gross_margin_low": told(pnl.margin_low, also=not is_company),
        "gross_margin_high": told(pnl.margin_high, also=not is_company),
        "reason": reason or None,
        "credits": plain(pnl.credits),
        "gross_profit_after_credits": told(pnl.gross_profit_after_credits),
        "gross_margin_after_credits": told(pnl.margin_after_credits),
        "below_the_line": plain(exact_sum(pnl.below_line.values())),
        "non_production": plain(pnl.below_line.get(NON_PRODUCTION, ZERO)),
        **{name: plain(amount) for name, amount in bands.items()},
        **{
            f"{name}_share": None if share is None else plain(share)
            for name, share in shares.items()
        },
        "margin_goal": plain(line.goal.value),
        "verdict": None if missing or unborne or is_company else pnl.verdict(line.goal.value).value,
    }


def _missing(gap: Gap) -> str:
    if gap.beyond is not None:
        return f"the bills reach to {gap.beyond}"
    return f"no bill is loaded for {', '.join(map(month_text, gap.months))}" if gap.months else ""


urlpatterns = [path("pnl", PnlView.as_view(), name="api-pnl")]
