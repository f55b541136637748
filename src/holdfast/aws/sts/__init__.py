"""The operations of the AWS Security Token Service, one file a noun."""

from holdfast.aws.operations import collect
from holdfast.aws.sts import identity, roles, temporary

OPERATIONS = collect((identity, roles, temporary))
