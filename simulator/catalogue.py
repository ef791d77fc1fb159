"""What the simulated company buys from AWS: products, meters and list prices in USD.

Codes, usage types, units and product cells are those of real CUR 2.0 rows; rates are AWS's public
list prices per unit in us-east-1 and eu-west-1 (free tiers and volume tiers left out). Data transfer
carries no ``product_region_code`` but a ``product_from_region_code``, as in real rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from simulator.rhythm import US, Rhythm

EC2, S3, RDS, LAMBDA = "AmazonEC2", "AmazonS3", "AmazonRDS", "AWSLambda"
CLOUDFRONT, EKS, CLOUDWATCH, ELB = "AmazonCloudFront", "AmazonEKS", "AmazonCloudWatch", "AWSELB"
SUPPORT = "AWSSupportBusiness"
PLANS = "ComputeSavingsPlans"

PRODUCT_NAMES: dict[str, str] = {
    EC2: "Amazon Elastic Compute Cloud",
    S3: "Amazon Simple Storage Service",
    RDS: "Amazon Relational Database Service",
    LAMBDA: "AWS Lambda",
    CLOUDFRONT: "Amazon CloudFront",
    EKS: "Amazon Elastic Container Service for Kubernetes",
    CLOUDWATCH: "AmazonCloudWatch",
    ELB: "Elastic Load Balancing",
    SUPPORT: "AWS Support (Business)",
    PLANS: "Savings Plans for AWS Compute usage",
}
"""Product code to the ``product_name`` of the product map."""

LOCATIONS = {"us-east-1": "US East (N. Virginia)", "eu-west-1": "EU (Ireland)"}
"""Region code to AWS's location name."""

SERVICE_NUMBERS = {
    EC2: "23517367457",
    S3: "23517367456",
    RDS: "23517367461",
    LAMBDA: "23517367502",
    CLOUDFRONT: "23517367470",
    EKS: "23517367533",
    CLOUDWATCH: "23517367481",
    ELB: "23517367617",
    SUPPORT: "",
    PLANS: "",
}
"""Product code to ``reservation_subscription_id``, which AWS fills on on-demand rows too."""


@dataclass(frozen=True)
class Sku:
    """One meter of the price list. Rates are USD per unit; ``description`` gets ``{rate}``."""

    product_code: str
    usage_type: str
    operation: str
    unit: str
    rate_us: Decimal
    rate_eu: Decimal
    description: str
    family: str
    rhythm: Rhythm
    prefix_us: str = ""
    prefix_eu: str = "EU-"
    daily: bool = False  # one line a day instead of one an hour
    whole: bool = False  # counted in whole units
    transfer: bool = False  # sold by AWSDataTransfer, under the product's code
    worldwide: bool = False  # sold outside regions
    instance_type: str = ""
    instance_family: str = ""
    normalization: int = 0  # AWS's size factor of an instance
    attributes: tuple[tuple[str, str], ...] = ()

    def rate(self, region: str) -> Decimal:
        """USD per unit in ``region``."""
        return self.rate_us if region == US else self.rate_eu

    def usage_type_in(self, region: str) -> str:
        """The usage type with the region's prefix, as AWS prints it."""
        return (self.prefix_us if region == US else self.prefix_eu) + self.usage_type


_USD = Decimal
_SIZES = ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge")
_LARGES = (1, 2, 4, 8, 16, 24, 32, 48)


def _box_usage(family: str, us: str, eu: str, name: str) -> tuple[Sku, ...]:
    """One instance family, priced from its ``large`` size, as AWS prices it."""
    return tuple(
        Sku(
            EC2,
            f"BoxUsage:{family}.{size}",
            "RunInstances",
            "Hrs",
            _USD(us) * larges,
            _USD(eu) * larges,
            f"${{rate}} per On Demand Linux {family}.{size} Instance Hour",
            "Compute Instance",
            Rhythm.SOFT,
            instance_type=f"{family}.{size}",
            instance_family=name,
            normalization=4 * larges,
            attributes=(
                ("operating_system", "Linux"),
                ("instance_type_family", family),
                ("tenancy", "Shared"),
                ("capacitystatus", "Used"),
            ),
        )
        for size, larges in zip(_SIZES, _LARGES, strict=True)
    )


INSTANCES: dict[str, tuple[Sku, ...]] = {
    "m5": _box_usage("m5", "0.096", "0.107", "General purpose"),
    "c5": _box_usage("c5", "0.085", "0.096", "Compute optimized"),
    "r5": _box_usage("r5", "0.126", "0.141", "Memory optimized"),
}
"""Instance families, each from small to big."""

TRANSFER_OUT = "$0.090 per GB - first 10 TB / month data transfer out beyond the global free tier"

EC2_EGRESS = Sku(
    EC2, "DataTransfer-Out-Bytes", "RunInstances", "GB", _USD("0.09"), _USD("0.09"),
    TRANSFER_OUT, "Data Transfer", Rhythm.BUSINESS, transfer=True,
    attributes=(("transfer_type", "AWS Outbound"),),
)  # fmt: skip
S3_EGRESS = Sku(
    S3, "DataTransfer-Out-Bytes", "GetObject", "GB", _USD("0.09"), _USD("0.09"),
    TRANSFER_OUT, "Data Transfer", Rhythm.BUSINESS, transfer=True,
    attributes=(("transfer_type", "AWS Outbound"),),
)  # fmt: skip
S3_STORAGE = Sku(
    S3, "TimedStorage-ByteHrs", "StandardStorage", "GB-Mo", _USD("0.023"), _USD("0.023"),
    "$0.023 per GB - first 50 TB / month of storage used", "Storage", Rhythm.STORED, daily=True,
    attributes=(("storage_class", "General Purpose"), ("volume_type", "Standard")),
)  # fmt: skip
S3_PUTS = Sku(
    S3, "Requests-Tier1", "PutObject", "Requests", _USD("0.000005"), _USD("0.000005"),
    "$0.005 per 1,000 PUT, COPY, POST, or LIST requests", "API Request", Rhythm.BUSINESS,
    daily=True, whole=True, attributes=(("group", "S3-API-Tier1"),),
)  # fmt: skip
S3_GETS = Sku(
    S3, "Requests-Tier2", "GetObject", "Requests", _USD("0.0000004"), _USD("0.0000004"),
    "$0.004 per 10,000 GET and all other requests", "API Request", Rhythm.BUSINESS,
    daily=True, whole=True, attributes=(("group", "S3-API-Tier2"),),
)  # fmt: skip
S3_COPIES = Sku(
    S3, "AWS-Out-Bytes", "ReplicateObject", "GB", _USD("0.02"), _USD("0.02"),
    "$0.020 per GB - {location} data transfer to the other region", "Data Transfer",
    Rhythm.BUSINESS, prefix_us="USE1-EUW1-", prefix_eu="EUW1-USE1-", daily=True, transfer=True,
    attributes=(("transfer_type", "InterRegion Outbound"),),
)  # fmt: skip
DATABASE = Sku(
    RDS, "Aurora:ServerlessV2Usage", "CreateDBInstance:0021", "ACU-Hr", _USD("0.12"), _USD("0.14"),
    "USD {rate} per Aurora Capacity Unit hour running Aurora PostgreSQL", "ServerlessV2",
    Rhythm.SOFT, attributes=(("database_engine", "Aurora PostgreSQL"),),
)  # fmt: skip
FUNCTION_TIME = Sku(
    LAMBDA, "Lambda-GB-Second", "Invoke", "Lambda-GB-Second", _USD("0.0000166667"),
    _USD("0.0000166667"), "AWS Lambda - Total Compute - {location}", "Serverless",
    Rhythm.BUSINESS, attributes=(("group", "AWS-Lambda-Duration"),),
)  # fmt: skip
FUNCTION_CALLS = Sku(
    LAMBDA, "Request", "Invoke", "Requests", _USD("0.0000002"), _USD("0.0000002"),
    "AWS Lambda - Total Requests - {location}", "Serverless", Rhythm.BUSINESS,
    daily=True, whole=True, attributes=(("group", "AWS-Lambda-Requests"),),
)  # fmt: skip
CDN_EGRESS = Sku(
    CLOUDFRONT, "DataTransfer-Out-Bytes", "GET", "GB", _USD("0.085"), _USD("0.085"),
    "$0.085 per GB - first 10 TB / month data transfer out", "Data Transfer", Rhythm.BUSINESS,
    prefix_us="US-", worldwide=True, attributes=(("transfer_type", "CloudFront Outbound"),),
)  # fmt: skip
CDN_REQUESTS = Sku(
    CLOUDFRONT, "Requests-Tier2-HTTPS", "GET", "Requests", _USD("0.000001"), _USD("0.0000012"),
    "${rate} per request - HTTPS requests", "Request", Rhythm.BUSINESS, prefix_us="US-",
    whole=True, worldwide=True, attributes=(("request_type", "CloudFront-Request-HTTPS-Proxy"),),
)  # fmt: skip
NAT_HOURS = Sku(
    EC2, "NatGateway-Hours", "NatGateway", "Hrs", _USD("0.045"), _USD("0.048"),
    "${rate} per NAT Gateway Hour", "NAT Gateway", Rhythm.FIXED,
    attributes=(("group", "NGW:NatGateway"),),
)  # fmt: skip
NAT_BYTES = Sku(
    EC2, "NatGateway-Bytes", "NatGateway", "GB", _USD("0.045"), _USD("0.048"),
    "${rate} per GB Data Processed by NAT Gateways", "NAT Gateway", Rhythm.BUSINESS,
    attributes=(("group", "NGW:NatGateway"),),
)  # fmt: skip
CLUSTER_HOURS = Sku(
    EKS, "AmazonEKS-Hours:perCluster", "CreateOperation", "Hours", _USD("0.10"), _USD("0.10"),
    "${rate} per hour for Amazon EKS cluster usage", "Compute", Rhythm.FIXED,
    prefix_us="USE1-", prefix_eu="EUW1-",
)  # fmt: skip
LOGS = Sku(
    CLOUDWATCH, "DataProcessing-Bytes", "PutLogEvents", "GB", _USD("0.50"), _USD("0.57"),
    "${rate} per GB custom log data ingested in Standard log class", "Data Payload",
    Rhythm.SOFT, prefix_us="USE1-", prefix_eu="EUW1-",
)  # fmt: skip
BALANCER_HOURS = Sku(
    ELB, "LoadBalancerUsage", "LoadBalancing:Application", "Hrs", _USD("0.0225"), _USD("0.0252"),
    "${rate} per Application LoadBalancer-hour (or partial hour)", "Load Balancer-Application",
    Rhythm.FIXED, attributes=(("group", "ELB:Balancing"),),
)  # fmt: skip
BALANCER_CAPACITY = Sku(
    ELB, "LCUUsage", "LoadBalancing:Application", "LCU-Hrs", _USD("0.008"), _USD("0.008"),
    "$0.008 per used Application load balancer capacity unit-hour (or partial hour)",
    "Load Balancer-Application", Rhythm.BUSINESS, attributes=(("group", "ELB:Balancing"),),
)  # fmt: skip
