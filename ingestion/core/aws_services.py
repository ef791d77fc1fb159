"""AWS product codes as FOCUS service names and categories. Pure.

Names: AWS's own product names. Categories: FOCUS ServiceCategory. Traffic is Networking whichever
service it left from (data transfer, NAT gateways), because that is where people look for egress.
"""

from __future__ import annotations

import json

from finops.core.focus import ServiceCategory as Category

_SERVICES: dict[str, tuple[str, Category]] = {
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

_TRAFFIC = ("DataTransfer", "NatGateway", "AWS-Out-Bytes", "AWS-In-Bytes", "CloudFront-Out-Bytes")
_DISKS = ("EBS:", "EBS-")


def classify(product_code: str, usage_type: str, title: str, product: str) -> tuple[str, str]:
    """``(service_name, service_category)`` of a line.

    ``title`` and ``product`` are AWS's own name and product map (JSON), used where the code is not
    in the table; at last the code names itself.
    """
    name, category = _SERVICES.get(product_code, ("", Category.OTHER))
    if not name:
        name = title or _product_name(product) or product_code or "Unnamed service"
    if any(mark in usage_type for mark in _TRAFFIC):
        category = Category.NETWORKING
    elif product_code == "AmazonEC2" and any(mark in usage_type for mark in _DISKS):
        category = Category.STORAGE
    return name[:200], category.value


def _product_name(product: str) -> str:
    try:
        value = json.loads(product) if product else {}
    except (ValueError, RecursionError):
        return ""
    name = value.get("product_name") if isinstance(value, dict) else None
    return name.encode(errors="ignore").decode() if isinstance(name, str) else ""
