"""Months with their state, and the journal of a closed one: the figures of the page Month close."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.http import Http404
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.close_selectors import month_states, months_with_figures
from allocation.journal import JournalError, journal_of
from finops import clock
from finops.api.fields import MonthField
from finops.api.views import ApiView, Query, read_query
from finops.core.amounts import plain
from finops.core.periods import month_text
from finops.permissions import Capability
from ingestion.selectors import last_whole_day

_STATES = ["open", "provisional", "final", "closed"]


class MonthSerializer(serializers.Serializer[Any]):
    """One month; cost is effective cost in `currency`, others converted, without credits and what is below the line.

    The running month is told through the last day whose cost has come.
    """

    month = serializers.CharField(help_text="YYYY-MM.")
    state = serializers.ChoiceField(_STATES)
    closed_by = serializers.CharField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    cost = serializers.CharField(help_text="As reported where it is closed, else as it is now.")
    changed_since = serializers.CharField(
        allow_null=True, help_text="What became known since the close; null where it is open."
    )


class MonthsSerializer(serializers.Serializer[Any]):
    """Every month with figures, newest first."""

    currency = serializers.CharField()
    results = MonthSerializer(many=True)


class JournalQuery(Query):
    """Which month."""

    month = MonthField(help_text="The closed month, YYYY-MM.")


class JournalLineSerializer(serializers.Serializer[Any]):
    """One line, as in the CSV; one of `debit` and `credit` is above 0."""

    date = serializers.DateField()
    journal_id = serializers.CharField()
    line = serializers.IntegerField()
    account = serializers.CharField()
    cost_centre = serializers.CharField()
    tenant = serializers.CharField(help_text="Slug; empty where nobody bears it.")
    debit = serializers.CharField()
    credit = serializers.CharField()
    currency = serializers.CharField()
    description = serializers.CharField()
    reference = serializers.CharField()


class JournalSerializer(serializers.Serializer[Any]):
    """The whole journal, in order."""

    month = serializers.CharField(help_text="YYYY-MM.")
    results = JournalLineSerializer(many=True)


class Months(ApiView):
    """Which months are closed."""

    needs: ClassVar = {"GET": Capability.VIEW_RECONCILIATION}

    @extend_schema(
        operation_id="months",
        summary="Months and whether they are closed",
        responses=MonthsSerializer,
    )
    def get(self, request: Request) -> Response:
        """Open, provisional, final or closed; as reported, and what became known since."""
        read_query(request, Query)
        states = month_states(
            months_with_figures(), today=clock.today(), reach=last_whole_day(clock.now())
        )
        answer = {
            "currency": settings.REPORTING_CURRENCY,
            "results": [
                {
                    "month": month_text(one.month),
                    "state": one.state,
                    "closed_by": one.closed_by or None,
                    "closed_at": one.closed_at,
                    "cost": plain(one.cost),
                    "changed_since": plain(one.changed) if one.is_closed else None,
                }
                for one in states
            ],
        }
        return Response(MonthsSerializer(answer).data)


class JournalView(ApiView):
    """The journal of the general ledger."""

    needs: ClassVar = {"GET": Capability.VIEW_RECONCILIATION}

    @extend_schema(
        operation_id="journal",
        summary="GL journal of a closed month",
        parameters=[JournalQuery],
        responses=JournalSerializer,
    )
    def get(self, request: Request) -> Response:
        """Balanced to the cent by journal; 404 where the month is open or an account is missing."""
        query = read_query(request, JournalQuery)
        try:
            lines = journal_of(query["month"])
        except JournalError as error:
            raise Http404(str(error)) from None
        results = [
            {**line.__dict__, "debit": f"{line.debit:.2f}", "credit": f"{line.credit:.2f}"}
            for line in lines
        ]
        answer = {"month": month_text(query["month"]), "results": results}
        return Response(JournalSerializer(answer).data)


urlpatterns = [
    path("months", Months.as_view(), name="api-months"),
    path("journal", JournalView.as_view(), name="api-journal"),
]
