"""The operations of Amazon ECR, one file a noun."""

from holdfast.aws.ecr import images, layers, registry, repositories
from holdfast.aws.operations import collect

OPERATIONS = collect((images, layers, registry, repositories))
