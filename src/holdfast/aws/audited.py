"""What the audit log learns of a call, which becomes known bit by bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.aws.operations import GLOBAL_REGION
from holdfast.model import access_key_ids, audit
from holdfast.model.audit import Note, Resource
from holdfast.model.audit_parameters import TEXT_CHARACTERS, cut, summary
from holdfast.model.errors import Refusal
from holdfast.model.names import AllRepositories, Arn, Registry, RepositoryRef

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.aws.operations import Call, Operation, Shape
    from holdfast.aws.signature import Claim
    from holdfast.http import Request
    from holdfast.model.callers import Caller
    from holdfast.registry import Backends

MESSAGE_CHARACTERS = 1000
KEY_ID_CHARACTERS = 128
FAILURE = ("InternalFailure", "The registry failed to answer; its log has the request id")
PULLS = frozenset({"BatchGetImage", "GetDownloadUrlForLayer"})  # of which the log may have a share only
UNKNOWN = "Unknown"  # what was to be done, where a signature is refused before anybody reads on
IDENTIFIES = "SubjectFromWebIdentityToken"  # a member of the answer to who came with a token
TYPES = {"role": "AWS::IAM::Role", "user": "AWS::IAM::User", "policy": "AWS::IAM::Policy", "group": "AWS::IAM::Group",
         "oidc-provider": "AWS::IAM::OIDCProvider", "instance-profile": "AWS::IAM::InstanceProfile",
         "secret": "AWS::SecretsManager::Secret"}  # fmt: skip


class Trail:
    """One call, from its head to its answer."""

    def __init__(self, on: Backends, request: Request, service: str, region: str) -> None:
        self._on = on
        self._request = request
        self._service = service
        self._region = region
        self._event = ""
        self._key_id: str | None = None
        self._caller: Caller | None = None
        self._parameters: Mapping[str, Any] | None = None
        self._resource: RepositoryRef | Resource | None = None
        self._owner: str | None = None

    def claims(self, claim: Claim) -> None:
        """It is said to be signed with this key."""
        self._key_id, self._region, self._service = claim.access_key_id, claim.region, claim.service

    def is_of(self, caller: Caller) -> None:
        """It is his, as is proven by now; or anybody's."""
        self._caller = caller

    def names(self, service: str, event: str) -> None:
        """It is for this operation."""
        self._service, self._event = service, event

    def asks(self, call: Call, operation: Operation, parameters: Shape) -> None:
        """It has these parameters, which keep the constraints."""
        if not self._on.audit.is_on:
            return
        self._parameters = parameters
        try:
            found = operation.resource(call, parameters) if operation.resource else _role(parameters)
        except Refusal:  # which it will be answered with
            return
        if isinstance(found, list | tuple):
            found = found[0] if found else None
        if isinstance(found, RepositoryRef):
            self._resource, self._owner = found, found.registry.account_id
        elif isinstance(found, Arn):
            is_secret = found.arn.split(":")[2:3] == ["secretsmanager"]
            kind = "secret" if is_secret else found.arn.rpartition(":")[2].partition("/")[0]
            self._owner = found.account_id
            self._resource = Resource(found.arn, found.account_id, TYPES[kind]) if kind in TYPES else None
        elif isinstance(found, Registry):
            self._owner = found.account_id
        elif isinstance(found, AllRepositories):
            self._owner = found.registry.account_id

    def answered(self, result: Shape) -> None:
        """It was done."""
        is_pull = self._event in PULLS
        if self._on.audit.is_on and not (is_pull and not self._on.audit.wants_pull()):
            self._note(None, result, may_drop=is_pull)

    def refused(self, code: str, message: str) -> None:
        """It was not done."""
        if not self._on.audit.is_on or not (self._event or self._key_id):
            return
        is_stranger = self._caller is None or self._caller.kind == "anonymous"
        if is_stranger and ((self._key_id is None and not self._parameters) or not self._on.audit.wants_stranger()):
            return
        self._note((code.replace("AccessDeniedException", "AccessDenied"), cut(message, MESSAGE_CHARACTERS)), {})

    def failed(self) -> None:
        """It might have been done, but something went wrong."""
        if self._on.audit.is_on and self._event:
            self._note(FAILURE, {})

    def _note(self, error: tuple[str, str] | None, result: Shape, *, may_drop: bool = False) -> None:
        on, request, event = self._on, self._request, self._event or UNKNOWN
        agent, host = request.header("user-agent"), request.header("host") if request.is_secure else None
        is_told = error is None and bool(result) and (not audit.is_read(event) or "Credentials" in result)
        share = on.audit.pull_share
        note = Note(
            at=on.clock(),
            who=self._who(result),
            service=self._service,
            event=event,
            region=GLOBAL_REGION if self._service == "iam" else self._region,
            owner=self._owner or self._home(),
            request_id=request.id,
            peer=request.peer,
            agent=agent and agent[:TEXT_CHARACTERS],
            host=host and host[:TEXT_CHARACTERS],
            read_only=audit.is_read(event),
            resource=self._resource,
            parameters=summary(self._parameters) if self._parameters else None,
            error=error,
            response=summary(result) if is_told else None,
            more={"pullSample": share} if may_drop and share < 1.0 else None,
        )
        on.audit.note(on, note, may_drop=may_drop)

    def _who(self, result: Shape) -> Caller | Mapping[str, Any]:
        if IDENTIFIES in result:
            return audit.web_identity(result["Provider"], result["Audience"], result[IDENTIFIES])
        if self._caller is None:
            return audit.unproven((self._key_id or "")[:KEY_ID_CHARACTERS])
        return self._caller

    def _home(self) -> str:
        """The account that has to know: the caller's, or that of the key which somebody used."""
        if self._caller is not None and self._caller.kind != "anonymous":
            return self._caller.account_id
        return access_key_ids.account_of(self._key_id or "") or self._on.home.account_id


def _role(parameters: Shape) -> Arn | None:
    """The role that somebody would become."""
    arn = parameters.get("RoleArn")
    if not isinstance(arn, str) or not arn.startswith("arn:") or arn.count(":") < 5:
        return None
    return Arn(arn.split(":")[4], cut(arn))
