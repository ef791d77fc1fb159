"""One CUR row as text: the cells that stand still are joined once, the moving ones put between.

Cell contents follow real rows of a CUR 2.0 csv.gz export (quoting, map columns, empty cells).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from simulator import catalogue, company, numbers, plan, seeded
from simulator.columns import POSITIONS, UNSET
from simulator.resources import Meter, World, json_text
from simulator.rhythm import EU, US

_MOVING = (
    "identity_time_interval",
    "line_item_blended_cost",
    "line_item_normalized_usage_amount",
    "line_item_unblended_cost",
    "line_item_usage_amount",
    "line_item_usage_end_date",
    "line_item_usage_start_date",
    "pricing_public_on_demand_cost",
)
PLAN_CELL = "@plan@"
"""Stands in a row where an amount of the Savings Plan belongs."""
_SPECIAL = frozenset('",\n\r')


@dataclass(frozen=True)
class Template:
    """The still parts of one stream's rows, around the moving cells."""

    head: str
    to_blended: str
    to_normalized: str
    to_unblended: str
    to_amount: str
    to_list: str
    tail: str

    def row(
        self,
        interval: str,
        span: str,
        *,
        cost: str,
        amount: str,
        list_cost: str,
        normalized: str = "0.0",
    ) -> str:
        """One row with its line end; ``span`` is the end and the start cell, joined by a comma."""
        return (
            f"{self.head}{interval}{self.to_blended}{cost}{self.to_normalized}{normalized}"
            f"{self.to_unblended}{cost}{self.to_amount}{amount},{span}{self.to_list}{list_cost}"
            f"{self.tail}"
        )


@dataclass(frozen=True)
class Bill:
    """The cells that all rows of one delivery share. An open month's ``invoice_id`` is empty."""

    world: World
    month: datetime
    month_end: datetime
    invoice_id: str


def stamp(moment: datetime) -> str:
    """A timestamp cell, ``2026-04-01T00:00:00.000Z``."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


def interval(start: datetime, end: datetime) -> str:
    """An ``identity_time_interval`` cell, ``2026-04-01T00:00:00Z/2026-04-01T01:00:00Z``."""
    return f"{start:%Y-%m-%dT%H:%M:%S}Z/{end:%Y-%m-%dT%H:%M:%S}Z"


def span(start: datetime, end: datetime) -> str:
    """The usage end and usage start cells, which stand side by side in that order."""
    return f"{stamp(end)},{stamp(start)}"


def whole_month(bill: Bill) -> tuple[str, str]:
    """Interval and span of a line about the whole month: AWS puts it on the month's first day."""
    first_day = interval(bill.month, bill.month + timedelta(days=1))
    return first_day, span(bill.month, bill.month_end)


def usage_template(bill: Bill, meter: Meter) -> Template:
    """Rows of type Usage of one meter."""
    return _template(_usage_cells(bill, meter, "Usage"))


def adjustment_template(bill: Bill, meter: Meter, line_type: str, text: str) -> Template:
    """Credit or Refund rows on one meter: its cells, without a rate of their own."""
    cells = _usage_cells(bill, meter, line_type)
    cells["line_item_line_item_description"] = text
    for name in ("line_item_blended_rate", "line_item_unblended_rate", "pricing_rate_code"):
        cells[name] = ""
    return _template(cells)


def plan_template(bill: Bill, meter: Meter, line_type: str, plan_arn: str) -> Template:
    """Usage that a Savings Plan covers, or its negation; the effective cost is ``PLAN_CELL``."""
    cells = _usage_cells(bill, meter, line_type)
    if line_type != plan.COVERED:
        cells["line_item_line_item_description"] = (
            f"SavingsPlanNegation used by AccountId : {_payer(bill)}"
        )
    else:
        cells["savings_plan_savings_plan_effective_cost"] = PLAN_CELL
    return _template(cells | _plan_cells(plan_arn))


def plan_fee_template(bill: Bill, plan_arn: str) -> Template:
    """One hour of a Savings Plan's commitment; what of it was used is ``PLAN_CELL``."""
    commitment = numbers.java_double(plan.commitment())
    cells = _common_cells(bill, company.PAYER, plan.FEE, catalogue.PLANS)
    cells |= {
        "identity_line_item_id": _line_id(bill, plan.FEE, plan_arn, _payer(bill)),
        "line_item_line_item_description": "1 year No Upfront Compute Savings Plan",
        "line_item_resource_id": plan_arn,
        "line_item_usage_type": "ComputeSP:1yrNoUpfront",
        "pricing_unit": "Hrs",
        "product": json_text({"product_name": catalogue.PRODUCT_NAMES[catalogue.PLANS]}),
        "savings_plan_recurring_commitment_for_billing_period": commitment,
        "savings_plan_total_commitment_to_date": commitment,
        "savings_plan_used_commitment": PLAN_CELL,
    }
    return _template(cells | _plan_cells(plan_arn))


def _plan_cells(plan_arn: str) -> dict[str, str]:
    return {
        "savings_plan_offering_type": "ComputeSavingsPlans",
        "savings_plan_payment_option": "No Upfront",
        "savings_plan_purchase_term": "1yr",
        "savings_plan_savings_plan_a_r_n": plan_arn,
    }


def _payer(bill: Bill) -> str:
    return bill.world.account_id(company.PAYER)


def product_template(
    bill: Bill, line_type: str, product_code: str, text: str, tax_type: str = ""
) -> Template:
    """Fee and Tax rows: one per product, on the payer's account, about no resource."""
    account_id = bill.world.account_id(company.PAYER)
    cells = _common_cells(bill, company.PAYER, line_type, product_code)
    cells |= {
        "identity_line_item_id": _line_id(bill, line_type, product_code, account_id),
        "line_item_line_item_description": text,
        "line_item_tax_type": tax_type,
        "product": json_text({"product_name": catalogue.PRODUCT_NAMES[product_code]}),
    }
    return _template(cells)


def _line_id(bill: Bill, line_type: str, key: str, account_id: str) -> str:
    return seeded.line_id(bill.world.seed, f"{bill.month:%Y-%m}", line_type, key, account_id)


def _common_cells(bill: Bill, account: str, line_type: str, product_code: str) -> dict[str, str]:
    return {
        "bill_bill_type": "Anniversary",
        "bill_billing_entity": "AWS",
        "bill_billing_period_end_date": stamp(bill.month_end),
        "bill_billing_period_start_date": stamp(bill.month),
        "bill_invoice_id": bill.invoice_id,
        "bill_invoicing_entity": company.LEGAL_ENTITY,
        "bill_payer_account_id": bill.world.account_id(company.PAYER),
        "bill_payer_account_name": company.ACCOUNT_NAMES[company.PAYER],
        "line_item_currency_code": company.CURRENCY,
        "line_item_legal_entity": company.LEGAL_ENTITY,
        "line_item_line_item_type": line_type,
        "line_item_product_code": product_code,
        "line_item_usage_account_id": bill.world.account_id(account),
        "line_item_usage_account_name": company.ACCOUNT_NAMES[account],
    }


def _usage_cells(bill: Bill, meter: Meter, line_type: str) -> dict[str, str]:
    sku, resource = meter.sku, meter.resource
    region = resource.region
    usage_type = sku.usage_type_in(region)
    code = seeded.sku_code(sku.product_code, usage_type, sku.operation)
    rate = numbers.rate_text(meter.rate)
    resource_tags, tags = resource.tag_cells()
    product_name = catalogue.PRODUCT_NAMES[sku.product_code]
    product = {
        **dict(sku.attributes),
        "product_name": product_name,
        "region": "global" if sku.worldwide else region,
        "servicename": "AWS Data Transfer" if sku.transfer else product_name,
    }
    cells = _common_cells(bill, resource.account, line_type, sku.product_code)
    cells |= {
        "identity_line_item_id": _line_id(bill, line_type, meter.key, resource.account),
        "line_item_availability_zone": resource.zone if sku.instance_type else "",
        "line_item_blended_rate": rate,
        "line_item_line_item_description": sku.description.format(
            rate=f"{sku.rate(region).normalize():f}", location=catalogue.LOCATIONS[region]
        ),
        "line_item_normalization_factor": f"{sku.normalization}.0",
        "line_item_operation": sku.operation,
        "line_item_resource_id": resource.id,
        "line_item_unblended_rate": rate,
        "line_item_usage_type": usage_type,
        "pricing_currency": company.CURRENCY,
        "pricing_public_on_demand_rate": rate,
        "pricing_rate_code": f"{code}.JRTCKXETXF.6YS6EN2CT7",
        "pricing_rate_id": seeded.digits(0, "rate", code, length=12),
        "pricing_term": "OnDemand",
        "pricing_unit": sku.unit,
        "product": json_text(product),
        "product_instance_family": sku.instance_family,
        "product_instance_type": sku.instance_type,
        "product_product_family": sku.family,
        "product_servicecode": "AWSDataTransfer" if sku.transfer else sku.product_code,
        "product_sku": code,
        "product_usagetype": usage_type,
        "reservation_subscription_id": catalogue.SERVICE_NUMBERS[sku.product_code],
        "resource_tags": resource_tags,
        "tags": tags,
    }
    return cells | _place_cells(meter)


def _place_cells(meter: Meter) -> dict[str, str]:
    """Where a product is sold: data transfer goes from a place, other products are at one."""
    sku, region = meter.sku, meter.resource.region
    location = catalogue.LOCATIONS[region]
    if sku.worldwide:
        return {"product_location": "United States" if region == US else "Europe"}
    if not sku.transfer:
        return {
            "product_location": location,
            "product_location_type": "AWS Region",
            "product_operation": sku.operation,
            "product_region_code": region,
        }
    cells = {
        "product_from_location": location,
        "product_from_location_type": "AWS Region",
        "product_from_region_code": region,
        "product_to_location": "External",
        "product_to_location_type": "Other",
    }
    if sku is catalogue.S3_COPIES:
        other = EU if region == US else US
        cells |= {
            "product_to_location": catalogue.LOCATIONS[other],
            "product_to_location_type": "AWS Region",
            "product_to_region_code": other,
        }
    return cells


def _cell(text: str) -> str:
    if _SPECIAL.isdisjoint(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def _template(cells: dict[str, str]) -> Template:
    texts = list(UNSET)
    for name, value in cells.items():
        texts[POSITIONS[name]] = _cell(value)
    marks = [POSITIONS[name] for name in _MOVING]
    pieces = [",".join(texts[: marks[0]]) + ","]
    # End and start of usage and the amount before them are neighbours: their commas are in `row`.
    for left, right in ((0, 1), (1, 2), (2, 3), (3, 4), (6, 7)):
        between = texts[marks[left] + 1 : marks[right]]
        pieces.append("," + "".join(text + "," for text in between))
    pieces.append("," + ",".join(texts[marks[-1] + 1 :]) + "\n")
    return Template(*pieces)
