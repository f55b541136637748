"""The operations of AWS Secrets Manager that pull-through caches and those who set them up have use for."""

from holdfast.aws.operations import collect
from holdfast.aws.secretsmanager import secrets, values

OPERATIONS = collect((secrets, values))
