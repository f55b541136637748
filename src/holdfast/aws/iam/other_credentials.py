"""Credentials of users that are not kept here: nobody has any, and who asks for them gets empty lists."""

from __future__ import annotations

from holdfast import registry
from holdfast.aws.iam import markers
from holdfast.aws.iam.users import the_user, user_name
from holdfast.aws.operations import Call, Shape, operation
from holdfast.model.errors import NoSuchEntity
from holdfast.model.names import Arn

SERVICES = frozenset({"bedrock.amazonaws.com", "cassandra.amazonaws.com", "codecommit.amazonaws.com"})


def _require_user(call: Call, request: Shape) -> None:
    """Refuse a user that is not there, and a marker that nobody gave."""
    markers.after(request)
    name = user_name(call, request)
    if name is not None:
        registry.iam.users.get(call.on, call.caller.account_id, name)


@operation(on=the_user)
def list_ssh_public_keys(call: Call, request: Shape) -> Shape:
    """The SSH keys of a user: none."""
    _require_user(call, request)
    return {"SSHPublicKeys": [], "IsTruncated": False}


@operation(on=the_user)
def list_mfa_devices(call: Call, request: Shape) -> Shape:
    """The devices by which a user proves who he is: none."""
    _require_user(call, request)
    return {"MFADevices": [], "IsTruncated": False}


def _devices(call: Call, _request: Shape) -> Arn:
    return Arn(call.caller.account_id, f"arn:aws:iam::{call.caller.account_id}:mfa/")


@operation(on=_devices)
def list_virtual_mfa_devices(_call: Call, request: Shape) -> Shape:
    """The programs by which users prove who they are: none."""
    markers.after(request)
    return {"VirtualMFADevices": [], "IsTruncated": False}


@operation(on=the_user)
def list_signing_certificates(call: Call, request: Shape) -> Shape:
    """The certificates of a user: none."""
    _require_user(call, request)
    return {"Certificates": [], "IsTruncated": False}


@operation(on=the_user)
def list_service_specific_credentials(call: Call, request: Shape) -> Shape:
    """The passwords of a user for single services: none."""
    service = request.get("ServiceName")
    if service is not None and service not in SERVICES:
        raise NoSuchEntity("credential service", service[:200])
    _require_user(call, request)
    return {"ServiceSpecificCredentials": [], "IsTruncated": False}
