"""A closed month as a journal of the general ledger: balanced to the cent, accruals with their reversals. Pure.

One journal per bill and currency of the bill, in the currency that the books are kept in: the caller converted at the
rates of the report. What no rate converts is a journal in its own currency, until one is known. What a month books of
a bill is what is known of it now, less what was booked of it when its invoice had come already; a bill without an
invoice is accrued whole and reversed on the first day of the next month, and then booked again: as payable when its
invoice has come, or accrued once more.

Expenses are effective cost, liabilities billed cost; what lies between them is prepaid (commitments paid ahead).
What an invoice was paid above or below the rate of its month is an exchange difference, on accounts of its own.
Every line is rounded once, half away from zero, as on pages; what that leaves is a line of its own.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from finops.core.amounts import EXACT, ZERO, exact_sum, to_cents
from finops.core.periods import add_months, month_text
from finops.core.spreadsheets import defused

EXPENSE, PAYABLE, ACCRUED = "expense", "payable", "accrued"
PREPAID, ROUNDING, SUSPENSE = "prepaid", "rounding", "suspense"
EXCHANGE = "exchange"

COLUMNS = (
    *("date", "journal_id", "line", "account", "cost_centre", "tenant"),
    *("debit", "credit", "currency", "description", "reference"),
)


class CostLine(NamedTuple):
    """What an expense is about; ``tenant`` is a slug, empty where nobody bears it."""

    cost_centre: str
    tenant: str
    service_provider_name: str
    service_category: str
    charge_category: str
    kind: str


class Worth(NamedTuple):
    """Amounts in the journal's currency: ``billed`` is all that is owed, exchange differences included; ``effective``
    is the cost at the rate of its month, and ``exchange`` what of the effective cost was paid above that.
    """

    billed: Decimal = ZERO
    effective: Decimal = ZERO
    exchange: Decimal = ZERO

    def plus(self, other: Worth) -> Worth:
        """The sum, part by part."""
        return Worth(*(EXACT.add(one, two) for one, two in zip(self, other, strict=True)))

    def less(self, other: Worth) -> Worth:
        """The difference, part by part."""
        return Worth(*(EXACT.subtract(one, two) for one, two in zip(self, other, strict=True)))


Costs = Mapping[CostLine, Worth]
"""Cost by what it is about."""


@dataclass(frozen=True)
class Bill:
    """A bill in one currency: what is known of it at the close, and what was at the close before.

    ``currency`` is the journal's, ``billed_in`` that of the bill, empty where it is the same.

    ``was_invoiced`` says that its invoice had come by the close before, so that it was booked for good.
    """

    source: str
    billing_period: date
    currency: str
    service_provider_name: str
    is_invoiced: bool
    was_invoiced: bool
    reference: str
    now: Costs
    before: Costs = field(default_factory=dict)
    billed_in: str = ""

    @property
    def about(self) -> str:
        """The bill in words."""
        text = f"{self.service_provider_name} {month_text(self.billing_period)}"
        return f"{text}, billed in {self.billed_in}" if self.billed_in else text

    @property
    def currencies(self) -> str:
        """What tells its journal from that of the bill's other currencies."""
        return f"{self.billed_in}-{self.currency}" if self.billed_in else self.currency


@dataclass(frozen=True)
class AccountRule:
    """An account for a role; empty fields match everything."""

    role: str
    account: str
    service_provider_name: str = ""
    service_category: str = ""
    charge_category: str = ""
    kind: str = ""

    def fits(self, line: CostLine) -> bool:
        """Whether every field that it names is the line's."""
        return all(not wanted or wanted == held for wanted, held in self._pairs(line))

    def rank(self) -> tuple[int, bool, bool, bool, bool]:
        """The more fields the better; of as many, provider before category before charge before kind."""
        named = (
            bool(self.service_provider_name),
            bool(self.service_category),
            bool(self.charge_category),
            bool(self.kind),
        )
        return (sum(named), *named)

    def _pairs(self, line: CostLine) -> Iterable[tuple[str, str]]:
        return (
            (self.service_provider_name, line.service_provider_name),
            (self.service_category, line.service_category),
            (self.charge_category, line.charge_category),
            (self.kind, line.kind),
        )


@dataclass(frozen=True)
class JournalLine:
    """One line; exactly one of ``debit`` and ``credit`` is above zero, both in cents."""

    date: date
    journal_id: str
    line: int
    account: str
    cost_centre: str
    tenant: str
    debit: Decimal
    credit: Decimal
    currency: str
    description: str
    reference: str


class _Posting(NamedTuple):
    """An amount on an account, debit above zero."""

    account: str
    cost_centre: str
    tenant: str
    description: str
    amount: Decimal


def build_journal(
    month: date, bills: Sequence[Bill], rules: Sequence[AccountRule]
) -> tuple[list[JournalLine], list[str]]:
    """The journal of ``month``, in order, and a sentence for every key that no account takes.

    With errors the lines are not complete: do not hand them on.
    """
    accounts = _Accounts(rules)
    lines: list[JournalLine] = []
    last, first = add_months(month, 1) - timedelta(days=1), add_months(month, 1)
    ordered = sorted(bills, key=lambda bill: (bill.source, bill.billing_period, bill.currencies))
    for bill in ordered:
        invoiced = bill.is_invoiced or bill.was_invoiced
        costs = _less(bill.now, bill.before) if bill.was_invoiced else bill.now
        postings = _postings(bill, costs, PAYABLE if invoiced else ACCRUED, accounts)
        name = (
            f"{month_text(month)}/{bill.source}/{month_text(bill.billing_period)}/{bill.currencies}"
        )
        lines += _lines(name, last, bill, postings)
        if not invoiced:
            turned = [
                posting._replace(
                    amount=-posting.amount, description=f"Reversal: {posting.description}"
                )
                for posting in postings
            ]
            lines += _lines(f"{name}/R", first, bill, turned)
    return lines, accounts.errors


def to_csv(lines: Iterable[JournalLine]) -> str:
    """RFC 4180 with a header; amounts with two decimals and a point, empty where a side has none."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for line in lines:
        writer.writerow(
            (
                line.date.isoformat(),
                defused(line.journal_id),
                line.line,
                defused(line.account),
                defused(line.cost_centre),
                defused(line.tenant),
                f"{line.debit:.2f}" if line.debit else "",
                f"{line.credit:.2f}" if line.credit else "",
                line.currency,
                defused(line.description),
                defused(line.reference),
            )
        )
    return out.getvalue()


class _Accounts:
    """Accounts by role and cost; remembers for which there is none."""

    def __init__(self, rules: Sequence[AccountRule]) -> None:
        self._rules: dict[str, list[AccountRule]] = defaultdict(list)
        for rule in sorted(rules, key=lambda rule: (rule.rank(), rule.account), reverse=True):
            self._rules[rule.role].append(rule)
        self._errors: dict[str, None] = {}

    @property
    def errors(self) -> list[str]:
        """One sentence per key, in the order of the bills."""
        return list(self._errors)

    def account(self, role: str, line: CostLine) -> str:
        """The most specific account; that of the role suspense where there is none, else empty."""
        for name in (role, SUSPENSE):
            for rule in self._rules[name]:
                if rule.fits(line):
                    return rule.account
        about = ", ".join(part for part in line[2:] if part)
        self._errors[
            f"No {role} account takes {about or 'the whole journal'}: add one to the GL accounts, or a "
            "suspense account."
        ] = None
        return ""


def _less(now: Costs, before: Costs) -> Costs:
    none = Worth()
    found = {
        key: now.get(key, none).less(before.get(key, none))
        for key in dict.fromkeys([*now, *before])
    }
    return {key: worth for key, worth in found.items() if any(worth)}


def _postings(bill: Bill, costs: Costs, liability: str, accounts: _Accounts) -> list[_Posting]:
    """Expenses, exchange differences, the liability, what is prepaid and what rounding left: they sum to zero."""
    if not any(any(worth) for worth in costs.values()):
        return []
    sums: dict[str, dict[tuple[str, str, str, str], Decimal]] = {EXPENSE: {}, EXCHANGE: {}}
    for line, worth in costs.items():
        for role, amount in ((EXPENSE, worth.effective), (EXCHANGE, worth.exchange)):
            if role == EXCHANGE and not amount:
                continue
            account = accounts.account(role, line)
            key = (account, line.cost_centre, line.tenant, _about(bill, line, role))
            sums[role][key] = EXACT.add(sums[role].get(key, ZERO), amount)
    postings = [
        _Posting(*key, to_cents(amount))
        for role in (EXPENSE, EXCHANGE)
        for key, amount in sorted(sums[role].items())
    ]
    billed = to_cents(exact_sum(worth.billed for worth in costs.values()))
    borne = to_cents(exact_sum(amount for side in sums.values() for amount in side.values()))
    rounding = EXACT.subtract(borne, exact_sum(posting.amount for posting in postings))
    prepaid = EXACT.subtract(billed, borne)
    whole = CostLine("", "", bill.service_provider_name, "", "", "")
    for role, amount, words in (
        (PREPAID, prepaid, f"{bill.about}, billed and not yet effective"),
        (ROUNDING, rounding, f"{bill.about}, rounding of the lines to cents"),
        (liability, -billed, f"{bill.about}, {'invoice' if liability == PAYABLE else 'accrual'}"),
    ):
        if amount:
            account = accounts.account(role, CostLine(*[""] * 6) if role == ROUNDING else whole)
            postings.append(_Posting(account, "", "", words, amount))
    return [posting for posting in postings if posting.amount]


def _about(bill: Bill, line: CostLine, role: str) -> str:
    charge = "" if line.charge_category == "Usage" else f", {line.charge_category}"
    billed = f", billed in {bill.billed_in}" if bill.billed_in else ""
    exchange = ", exchange difference" if role == EXCHANGE else ""
    return (
        f"{line.service_provider_name} {line.service_category}{charge} "
        f"{month_text(bill.billing_period)}{billed}{exchange}"
    )


def _lines(
    journal_id: str, day: date, bill: Bill, postings: Sequence[_Posting]
) -> list[JournalLine]:
    return [
        JournalLine(
            date=day,
            journal_id=journal_id,
            line=number,
            account=posting.account,
            cost_centre=posting.cost_centre,
            tenant=posting.tenant,
            debit=max(posting.amount, ZERO),
            credit=max(-posting.amount, ZERO),
            currency=bill.currency,
            description=posting.description,
            reference=bill.reference,
        )
        for number, posting in enumerate(postings, 1)
    ]
