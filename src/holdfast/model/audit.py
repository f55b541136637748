"""What was asked, by whom, and what came of it, in CloudTrail's shape (CloudTrail user guide, "Record contents")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from holdfast.model.callers import SCANNER
from holdfast.model.iam_sessions import ISSUED, MFA, PROVIDER, SOURCE_IDENTITY
from holdfast.model.names import RepositoryRef

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from holdfast.model.callers import Caller
    from holdfast.model.iam import Principal

EVENT_VERSION = "1.11"
API_CALL, SERVICE_EVENT = "AwsApiCall", "AwsServiceEvent"
REPOSITORY = "AWS::ECR::Repository"
OURSELVES = "AWS Internal"
REGISTRY_REQUEST = "registryRequest"  # among the additional data: which request of the registry protocol it was
# What CloudTrail calls a read although its name does not begin as those of reads do.
READS = ("AssumeRole", "BatchCheck", "BatchGet", "Decode", "Describe", "Get", "List", "Simulate", "StreamEvents",
         "Validate")  # fmt: skip
# The callers whose kinds CloudTrail tells by names of its own.
ANONYMOUS = {"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}
_SPECIAL = {"source_ip_address": "sourceIPAddress", "request_id": "requestID", "event_id": "eventID",
            "shared_event_id": "sharedEventID"}  # fmt: skip

Context = dict[str, "str | tuple[str, ...]"]
Shown = dict[str, Any]


def _name(field: str) -> str:
    head, *words = field.split("_")
    return _SPECIAL.get(field) or head + "".join(map(str.capitalize, words))


class Record(msgspec.Struct, frozen=True, kw_only=True, rename=_name):
    """One line of the log; what is unset is left out, what is None is told as null."""

    event_version: str = EVENT_VERSION
    user_identity: Shown | msgspec.Raw
    event_time: str
    event_source: str
    event_name: str
    aws_region: str
    source_ip_address: str
    user_agent: str | UnsetType = UNSET
    error_code: str | UnsetType = UNSET
    error_message: str | UnsetType = UNSET
    request_parameters: Shown | None = None
    response_elements: Shown | None = None
    additional_event_data: Shown | UnsetType = UNSET
    request_id: str | UnsetType = UNSET
    event_id: str
    read_only: bool
    resources: list[Shown] | msgspec.Raw | UnsetType = UNSET
    event_type: str = API_CALL
    management_event: bool = True
    recipient_account_id: str
    shared_event_id: str | UnsetType = UNSET
    service_event_details: Shown | UnsetType = UNSET
    event_category: str = "Management"  # of ECR, IAM and STS AWS records no data events
    tls_details: Shown | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that is no repository and that a call was about."""

    arn: str
    account_id: str
    type: str


class Note(NamedTuple):
    """What is known of a call when its answer leaves; a record is made of it when there is time."""

    at: datetime
    who: Caller | Mapping[str, Any]  # or an identity as it is told
    service: str
    event: str
    region: str
    owner: str  # the account of what was asked for
    request_id: str  # "" if nobody was told one
    peer: str
    agent: str | None
    host: str | None  # what TLS was spoken for
    read_only: bool
    resource: RepositoryRef | Resource | None
    parameters: Shown | None
    error: tuple[str, str] | None = None
    response: Shown | None = None
    more: Shown | None = None
    details: Shown | None = None  # of an event of the service itself, which nobody called for


class Pull(NamedTuple):
    """What is known of a pull that went well: little, so that it costs little, and pulls alike are rendered once."""

    at: datetime
    request_id: str
    who: Caller
    resource: RepositoryRef
    event: str
    request: str  # of the registry protocol
    reference: str
    peer: str
    agent: str | None
    host: str | None

    def note(self, share: float) -> Note:
        """The same in full; `share` is that of all pulls which is recorded."""
        home = self.resource.registry
        more: Shown = {REGISTRY_REQUEST: self.request}
        if share < 1.0:
            more["pullSample"] = share
        return Note(
            self.at, self.who, "ecr", self.event, home.region, home.account_id, self.request_id, self.peer, self.agent,
            self.host, True, self.resource, asked(self.event, self.resource, self.reference), more=more,
        )  # fmt: skip


def asked(event: str, repository: RepositoryRef, reference: str) -> Shown:
    """What a request of the registry protocol asks for, in the members of the API's call."""
    shown: Shown = {"registryId": repository.registry.account_id, "repositoryName": repository.name}
    kind = "imageDigest" if ":" in reference else "imageTag"
    if not reference:
        return shown
    match event:
        case "BatchGetImage" | "BatchDeleteImage":
            shown["imageIds"] = [{kind: reference}]
        case "PutImage":
            shown[kind] = reference
        case "BatchCheckLayerAvailability":
            shown["layerDigests"] = [reference]
        case "GetDownloadUrlForLayer":
            shown["layerDigest"] = reference
        case _:
            shown["uploadId"] = reference
    return shown


def is_read(event: str) -> bool:
    """Whether an operation changes nothing."""
    return event.startswith(READS)


def resource_shown(resource: RepositoryRef | Resource) -> list[Shown]:
    """What a call was about, as a record lists it."""
    if isinstance(resource, RepositoryRef):
        return [{"ARN": resource.arn, "accountId": resource.registry.account_id, "type": REPOSITORY}]
    return [{"ARN": resource.arn, "accountId": resource.account_id, "type": resource.type}]


# ---- Who


def identity(caller: Caller, principal: Principal | None, context: Mapping[str, str | tuple[str, ...]]) -> Shown:
    """A caller as his own account sees him; the principal and its context are not known of one who is gone."""
    if caller.kind == "anonymous":
        return ANONYMOUS
    account = caller.account_id
    unique_id = principal.id if principal is not None and principal.id else caller.entity_id
    shown: Shown = {
        "type": _TYPES[caller.kind],
        "principalId": unique_id or account,
        "arn": caller.arn,
        "accountId": account,
        "accessKeyId": caller.access_key_id,
    }
    if caller.kind == "user":
        shown["userName"] = caller.arn.rpartition("/")[2]
    if ISSUED in context:
        shown["sessionContext"] = _session(caller, principal, context)
    return shown


_TYPES = {"root": "Root", "user": "IAMUser", "session": "AssumedRole", "federated-user": "FederatedUser",
          SCANNER: "AWSService"}  # fmt: skip


def _session(caller: Caller, principal: Principal | None, context: Mapping[str, str | tuple[str, ...]]) -> Shown:
    shown: Shown = {}
    if caller.kind in {"session", "federated-user"} and principal is not None:
        shown["sessionIssuer"] = _issuer(caller, principal)
    if PROVIDER in context:
        # The claims of the token that came in are kept under the name of who issued it.
        claims = {key: value for key, value in context.items() if key.endswith((":aud", ":sub"))}
        shown["webIdFederationData"] = {"federatedProvider": context[PROVIDER], "attributes": claims}
    shown["attributes"] = {"creationDate": context[ISSUED], "mfaAuthenticated": context.get(MFA, "false")}
    if SOURCE_IDENTITY in context:
        shown["sourceIdentity"] = context[SOURCE_IDENTITY]
    return shown


def _issuer(caller: Caller, principal: Principal) -> Shown:
    """Whose session it is: a role's, or that of the user or root who asked for it."""
    account = caller.account_id
    arn = principal.role_arn or principal.user_arn
    if arn is None:
        return {"type": "Root", "principalId": account, "arn": f"arn:aws:iam::{account}:root", "accountId": account}
    return {
        "type": "Role" if principal.role_arn else "IAMUser",
        "principalId": caller.entity_id,
        "arn": arn,
        "accountId": account,
        "userName": arn.rpartition("/")[2],
    }


def from_outside(caller: Caller, principal: Principal | None) -> Shown:
    """A caller as an account sees him that is not his own."""
    if caller.kind == "anonymous":
        return ANONYMOUS
    unique_id = principal.id if principal is not None and principal.id else caller.entity_id
    return {"type": "AWSAccount", "principalId": unique_id or caller.account_id, "accountId": caller.account_id}


def unproven(access_key_id: str) -> Shown:
    """Whoever used the id of a key and did not prove that he has it."""
    return {"type": "Unknown", "accessKeyId": access_key_id} if access_key_id else {"type": "Unknown"}


def web_identity(provider: str, audience: str, subject: str) -> Shown:
    """Whoever came with the token of an identity provider."""
    return {
        "type": "WebIdentityUser",
        "principalId": f"{provider}:{audience}:{subject}",
        "userName": subject,
        "identityProvider": provider,
    }
