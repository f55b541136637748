"""Marked functions: which operation each of them is, and who may call it."""

import pytest
from botocore import xform_name

from holdfast.aws.door import OPERATIONS
from holdfast.aws.operations import Operation, operation
from holdfast.aws.service_models import load


@pytest.mark.parametrize("service", OPERATIONS)
def test_a_function_named_as_boto3_names_an_operation_is_that_operation(service):
    for name in load(service).operation_names:

        def function(call, request):
            return {}

        function.__name__ = xform_name(name)

        assert operation(None)(function).operation == Operation(name, function, None)


@pytest.mark.parametrize("service", OPERATIONS)
def test_every_operation_that_is_answered_is_the_services(service):
    assert set(OPERATIONS[service]) <= set(load(service).operation_names)


@pytest.mark.parametrize("service", OPERATIONS)
def test_only_what_clients_do_not_sign_is_open_to_everybody(service):
    answered = OPERATIONS[service]

    unsigned = {name for name in answered if load(service).find(name).auth_type == "none"}

    assert {name for name in answered if answered[name].unsigned} == unsigned
