"""AWS product codes as FOCUS service names and categories. Pure.

Names: AWS's own product names. Categories: FOCUS ServiceCategory. Traffic is Networking whichever
service it left from (data transfer, NAT gateways), because that is where people look for egress.
"""

from __future__ import annotations

from finops.core.dialect import Dialect, literal
from finops.core.focus import ServiceCategory as Category

SERVICES: dict[str, tuple[str, Category]] = {
    "AmazonEC2": ("Amazon Elastic Compute Cloud", Category.COMPUTE),
    "AWSLambda": ("AWS Lambda", Category.COMPUTE),
    "AmazonECS": ("Amazon Elastic Container Service", Category.COMPUTE),
    "AmazonEKS": ("Amazon Elastic Kubernetes Service", Category.COMPUTE),
    "AmazonECR": ("Amazon Elastic Container Registry", Category.COMPUTE),
    "AmazonLightsail": ("Amazon Lightsail", Category.COMPUTE),
    "AWSBatch": ("AWS Batch", Category.COMPUTE),
    "ComputeSavingsPlans": ("Savings Plans for AWS Compute usage", Category.COMPUTE),
    "AmazonS3": ("Amazon Simple Storage Service", Category.STORAGE),
    "AmazonS3GlacierDeepArchive": ("Amazon S3 Glacier Deep Archive", Category.STORAGE),
    "AmazonGlacier": ("Amazon Glacier", Category.STORAGE),
    "AmazonEFS": ("Amazon Elastic File System", Category.STORAGE),
    "AmazonFSx": ("Amazon FSx", Category.STORAGE),
    "AWSBackup": ("AWS Backup", Category.STORAGE),
    "AmazonRDS": ("Amazon Relational Database Service", Category.DATABASES),
    "AmazonDynamoDB": ("Amazon DynamoDB", Category.DATABASES),
    "AmazonElastiCache": ("Amazon ElastiCache", Category.DATABASES),
    "AmazonDocDB": ("Amazon DocumentDB", Category.DATABASES),
    "AmazonNeptune": ("Amazon Neptune", Category.DATABASES),
    "AmazonRedshift": ("Amazon Redshift", Category.ANALYTICS),
    "AmazonAthena": ("Amazon Athena", Category.ANALYTICS),
    "AWSGlue": ("AWS Glue", Category.ANALYTICS),
    "AmazonKinesis": ("Amazon Kinesis", Category.ANALYTICS),
    "AmazonKinesisFirehose": ("Amazon Data Firehose", Category.ANALYTICS),
    "AmazonES": ("Amazon OpenSearch Service", Category.ANALYTICS),
    "AmazonMSK": ("Amazon Managed Streaming for Apache Kafka", Category.ANALYTICS),
    "ElasticMapReduce": ("Amazon EMR", Category.ANALYTICS),
    "AmazonCloudFront": ("Amazon CloudFront", Category.NETWORKING),
    "AmazonVPC": ("Amazon Virtual Private Cloud", Category.NETWORKING),
    "AWSELB": ("Elastic Load Balancing", Category.NETWORKING),
    "AmazonRoute53": ("Amazon Route 53", Category.NETWORKING),
    "AWSDataTransfer": ("AWS Data Transfer", Category.NETWORKING),
    "AWSDirectConnect": ("AWS Direct Connect", Category.NETWORKING),
    "AWSGlobalAccelerator": ("AWS Global Accelerator", Category.NETWORKING),
    "AmazonApiGateway": ("Amazon API Gateway", Category.NETWORKING),
    "AmazonSNS": ("Amazon Simple Notification Service", Category.INTEGRATION),
    "AWSQueueService": ("Amazon Simple Queue Service", Category.INTEGRATION),
    "AmazonStates": ("AWS Step Functions", Category.INTEGRATION),
    "AWSEvents": ("Amazon EventBridge", Category.INTEGRATION),
    "AmazonMQ": ("Amazon MQ", Category.INTEGRATION),
    "AmazonSES": ("Amazon Simple Email Service", Category.INTEGRATION),
    "AmazonCloudWatch": ("Amazon CloudWatch", Category.MANAGEMENT),
    "AWSCloudTrail": ("AWS CloudTrail", Category.MANAGEMENT),
    "AWSConfig": ("AWS Config", Category.MANAGEMENT),
    "AWSSystemsManager": ("AWS Systems Manager", Category.MANAGEMENT),
    "AWSCloudFormation": ("AWS CloudFormation", Category.MANAGEMENT),
    "AWSSupportBusiness": ("AWS Support (Business)", Category.MANAGEMENT),
    "AWSSupportEnterprise": ("AWS Support (Enterprise)", Category.MANAGEMENT),
    "AWSCostExplorer": ("AWS Cost Explorer", Category.MANAGEMENT),
    "awskms": ("AWS Key Management Service", Category.SECURITY),
    "AWSSecretsManager": ("AWS Secrets Manager", Category.SECURITY),
    "awswaf": ("AWS WAF", Category.SECURITY),
    "AmazonGuardDuty": ("Amazon GuardDuty", Category.SECURITY),
    "AmazonInspectorV2": ("Amazon Inspector", Category.SECURITY),
    "AWSSecurityHub": ("AWS Security Hub", Category.SECURITY),
    "AmazonCognito": ("Amazon Cognito", Category.IDENTITY),
    "AmazonSageMaker": ("Amazon SageMaker", Category.AI),
    "AmazonBedrock": ("Amazon Bedrock", Category.AI),
    "CodeBuild": ("AWS CodeBuild", Category.DEVELOPER_TOOLS),
    "AWSCodePipeline": ("AWS CodePipeline", Category.DEVELOPER_TOOLS),
    "AWSXRay": ("AWS X-Ray", Category.DEVELOPER_TOOLS),
    "AWSAmplify": ("AWS Amplify", Category.WEB),
}

TRAFFIC = ("DataTransfer", "NatGateway", "AWS-Out-Bytes", "AWS-In-Bytes", "CloudFront-Out-Bytes")
DISKS = ("EBS:", "EBS-")


def service_columns(has_title: bool, has_product: bool, dialect: Dialect) -> dict[str, str]:
    """``service_name`` and ``service_category`` as expressions, beside ``service_relation``.

    AWS's own name and product map are used where the code is not in the table; at last the code names
    itself. Expects ``x_service_code``, ``x_usage_type``, ``x_title`` and ``x_product``.
    """
    names = ["services.name"]
    if has_title:
        names.append("nullif(x_title, '')")
    if has_product:
        product = dialect.json_text("x_product", "product_name")
        # Only where no other name is known: reading JSON is dear.
        known = " OR ".join(f"{name} IS NOT NULL" for name in names)
        names.append(f"CASE WHEN {known} THEN NULL ELSE {product} END")
    names += ["nullif(x_service_code, '')", "'Unnamed service'"]
    traffic = " OR ".join(f"contains(x_usage_type, {literal(mark)})" for mark in TRAFFIC)
    disks = " OR ".join(f"contains(x_usage_type, {literal(mark)})" for mark in DISKS)
    return {
        "service_name": f"substr(coalesce({', '.join(names)}), 1, 200)",
        "service_category": (
            f"CASE WHEN {traffic} THEN {literal(Category.NETWORKING.value)} "
            f"WHEN x_service_code = 'AmazonEC2' AND ({disks}) THEN {literal(Category.STORAGE.value)} "
            f"ELSE coalesce(services.category, {literal(Category.OTHER.value)}) END"
        ),
    }


def service_relation() -> str:
    """The table of services as a relation, to be joined on ``services.code = x_service_code``."""
    rows = ", ".join(
        f"({literal(code)}, {literal(name)}, {literal(category.value)})"
        for code, (name, category) in SERVICES.items()
    )
    return f"(VALUES {rows}) AS services(code, name, category)"
