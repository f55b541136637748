"""What each kind of policy must and may say, and the words in which AWS refuses one.

    kind                                    Version      Id   Principal  Resource  Sid           refused as
    identity, boundary, session, guardrail  2012         no   no         yes       alphanumeric  MalformedPolicyDocument
    trust                                   any or none  yes  Principal  no        alphanumeric  MalformedPolicyDocument
    endpoint                                any or none  yes  yes        yes       any           MalformedPolicyDocument
    repository                              any or none  yes  yes        may       any           InvalidParameter
    registry                                any          yes  yes        yes       any           InvalidParameter

The first fault found is the one that is told. Where AWS's order is known it is kept.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from holdfast.model.errors import InvalidParameter, MalformedPolicyDocument
from holdfast.model.iam import conditions, documents, shared_providers
from holdfast.model.iam.documents import SYNTAX, WITH_VARIABLES
from holdfast.model.iam.principals import is_aws_principal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.model.iam.documents import Choice, Document, Statement

TRUST_ACTIONS = {
    "sts:assumerole",
    "sts:assumerolewithsaml",
    "sts:assumerolewithwebidentity",
    "sts:setsourceidentity",
    "sts:tagsession",
}
MAXIMUM_ECHO = 300  # characters of a document that its refusal repeats

LEGACY = "The policy failed legacy parsing"
INVALID_JSON = "This policy contains invalid Json"
VERSION = f"Policy document must be version {WITH_VARIABLES} or greater."
SID = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
SIDS = "Statement IDs (SID) in a single policy must be unique."
ACTIONS = "Policy statement must contain actions."
RESOURCES = "Policy statement must contain resources."
PREFIX = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
ONE_COLON = "Actions/Condition can contain only one colon."
VENDOR = "Resource vendor must be fully qualified and cannot contain regexes."
PRINCIPAL = "Policy document should not specify a principal."
NO_PRINCIPAL = "Missing required field Principal"
PROHIBITED = "Has prohibited field {}."
TRUST = (
    "Trust Policy statement actions can only be sts:AssumeRole, sts:AssumeRoleWithSAML,  "
    "and sts:AssumeRoleWithWebIdentity"
)

_ALPHANUMERIC = re.compile(r"[0-9A-Za-z]*", re.ASCII)
_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\xff]")  # IAM API, "policyDocumentType"
_SERVICE_PREFIX = re.compile(r"[A-Za-z0-9.-]+|\*", re.ASCII)
_PARTITION = re.compile(r"\*|aws(?:-[a-z]+)*", re.ASCII)
_ECR_ACTION = re.compile(r"\*|(?:ecr|\*):[a-z*?]+", re.ASCII | re.IGNORECASE)
_ECR_RESOURCE = re.compile(r"\*|arn:[a-z*?-]+:ecr:[a-z0-9*?-]*:[0-9*?]*:.+", re.ASCII)
_SERVICE = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.ASCII)
_FEDERATED = re.compile(r"arn:aws(?:-[a-z]+)*:iam::[0-9]{12}:(?:oidc|saml)-provider/.+|" + _SERVICE.pattern, re.ASCII)


class Kind(Enum):
    """What a policy is for."""

    IDENTITY = "identity"
    BOUNDARY = "boundary"
    SESSION = "session"
    GUARDRAIL = "guardrail"
    TRUST = "trust"
    ENDPOINT = "endpoint"
    REPOSITORY = "repository"
    REGISTRY = "registry"


def parse(text: str, kind: Kind) -> Document:
    """The policy of a kind that a text says, or `MalformedPolicyDocument`; of ECR's kinds `InvalidParameter`."""
    if kind not in {Kind.REPOSITORY, Kind.REGISTRY}:
        return _iam_policy(text, kind)
    try:
        document = documents.document(documents.decode(text))
        _check_ecr(document, kind)
    except (documents.NotJson, MalformedPolicyDocument):
        raise InvalidParameter("PolicyText", f"Invalid {kind.value} policy provided") from None
    return document


def invalid_principal(kind: str, principal: str) -> MalformedPolicyDocument:
    """The refusal of a principal that cannot be, or that is not there."""
    kind = kind if kind == "AWS" else kind.upper()
    return MalformedPolicyDocument(f'Invalid principal in policy: "{kind}":"{_echo(principal)}"')


def _iam_policy(text: str, kind: Kind) -> Document:
    if _FORBIDDEN.search(text):
        raise MalformedPolicyDocument(SYNTAX)
    try:
        document = documents.document(documents.decode(text))
    except documents.NotJson:
        raise MalformedPolicyDocument(INVALID_JSON if kind is Kind.TRUST else SYNTAX) from None
    _check_syntax(document)
    _CHECKS.get(kind, _check_identity)(document)
    return document


# ---- IAM's kinds


def _check_identity(document: Document) -> None:
    if document.id is not None:
        raise MalformedPolicyDocument(SYNTAX)
    if document.version != WITH_VARIABLES:
        raise MalformedPolicyDocument(VERSION)
    _refuse_if(any(statement.principals for statement in document.statements), PRINCIPAL)
    _check_statements(document)
    _refuse_if(_lacks_resources(document), RESOURCES)


def _check_trust(document: Document) -> None:
    _check_statements(document)
    actions = [statement.actions for statement in document.statements]
    _refuse_if(
        any(
            choice is None or choice.is_negated or not TRUST_ACTIONS.issuperset(map(str.lower, choice.listed))
            for choice in actions
        ),
        TRUST,
    )
    for statement in document.statements:
        if statement.resources:
            raise MalformedPolicyDocument(PROHIBITED.format(_name(statement.resources, "Resource")))
        if statement.principals is None:
            raise MalformedPolicyDocument(NO_PRINCIPAL)
        if statement.principals.is_negated:
            raise MalformedPolicyDocument(PROHIBITED.format("NotPrincipal"))
        for kind, principal in statement.principals.listed:
            if kind not in _PRINCIPALS or not _PRINCIPALS[kind](principal):
                raise invalid_principal(kind, principal)
    shared_providers.check(document)


def _check_endpoint(document: Document) -> None:
    _check_statements(document, alphanumeric=False)
    _refuse_if(_lacks_resources(document), RESOURCES)
    _refuse_if(any(statement.principals is None for statement in document.statements), NO_PRINCIPAL)


def _check_syntax(document: Document) -> None:
    for statement in document.statements:
        for condition in statement.conditions:
            _refuse_if(conditions.find(condition.operator) is None, SYNTAX)


def _check_statements(document: Document, *, alphanumeric: bool = True) -> None:
    statements = document.statements
    resources = list(_listed(document, "resources"))
    fault = next(filter(None, map(_resource_fault, resources)), None)
    for statement in statements:
        _refuse_if(statement.effect not in {"Allow", "Deny"}, LEGACY)
        _refuse_if(not _are_values_read(document, statement), LEGACY)
    _refuse_if(fault is None and any(map(_is_cut_off, resources)), LEGACY)
    sids = [statement.sid for statement in statements if statement.sid]
    _refuse_if(alphanumeric and not all(map(_ALPHANUMERIC.fullmatch, sids)), SID)
    _refuse_if(len(set(sids)) < len(sids), SIDS)
    _refuse_if(not all(statement.actions and statement.actions.listed for statement in statements), ACTIONS)
    if fault:
        raise MalformedPolicyDocument(fault)
    for action in _listed(document, "actions"):
        _check_action(action)


def _check_action(action: str) -> None:
    prefix, *rest = action.split(":")
    _refuse_if(not rest and action != "*", PREFIX)
    _refuse_if(len(rest) > 1, ONE_COLON)
    _refuse_if(not _SERVICE_PREFIX.fullmatch(prefix), f"Vendor {_echo(prefix)} is not valid")


def _resource_fault(resource: str) -> str | None:
    """What is wrong with an entry of Resource, except that it is cut off."""
    if resource == "*":
        return None
    _, *segments = resource.split(":", 5)
    if not segments:
        return f'Resource {_echo(resource)} must be in ARN format or "*".'
    partition, *rest = segments
    if not _PARTITION.fullmatch(partition):
        whole = ":".join(["arn", partition, *(rest or ["*"]), *["*"] * (4 - max(len(rest), 1))])
        return f'Partition "{_echo(partition)}" is not valid for resource "{_echo(whole)}".'
    if not rest or "*" in rest[0] or "?" in rest[0]:
        return VENDOR
    return None


def _is_cut_off(resource: str) -> bool:
    """Whether an ARN has fewer segments than it should; one that ends early, with nothing left out, is completed."""
    return resource != "*" and ((resource.count(":") < 5 and "::" in resource) or resource.split(":")[2] == "")


def _lacks_resources(document: Document) -> bool:
    return not all(statement.resources and statement.resources.listed for statement in document.statements)


# ---- ECR's kinds


def _check_ecr(document: Document, kind: Kind) -> None:
    _check_syntax(document)
    statements = document.statements
    sids = [statement.sid for statement in statements if statement.sid]
    _refuse_if(len(set(sids)) < len(sids), SIDS)
    _refuse_if(kind is Kind.REGISTRY and (document.version is None or _lacks_resources(document)), SYNTAX)
    for statement in statements:
        principals = statement.principals.listed if statement.principals else ()
        actions = statement.actions.listed if statement.actions else ()
        resources = statement.resources.listed if statement.resources else ("*",)
        is_right = (
            statement.effect in {"Allow", "Deny"}
            and principals
            and all(is_aws_principal(text) if kind == "AWS" else text not in {"", "*"} for kind, text in principals)
            and actions
            and all(map(_ECR_ACTION.fullmatch, actions))
            and resources
            and all(map(_ECR_RESOURCE.fullmatch, resources))
            and all(tests and all(":" in key and wanted for key, wanted in tests) for tests in _tests(statement))
            and _are_values_read(document, statement)
        )
        _refuse_if(not is_right, SYNTAX)


# ---- What all have in common


def _refuse_if(is_wrong: bool, message: str) -> None:
    if is_wrong:
        raise MalformedPolicyDocument(message)


def _listed(document: Document, element: str) -> Iterator[str]:
    for statement in document.statements:
        choice: Choice | None = getattr(statement, element)
        yield from choice.listed if choice else ()


def _name(choice: Choice, element: str) -> str:
    return f"Not{element}" if choice.is_negated else element


def _tests(statement: Statement) -> Iterator[tuple[tuple[str, tuple[str, ...]], ...]]:
    for condition in statement.conditions:
        yield condition.tests


def _are_values_read(document: Document, statement: Statement) -> bool:
    """Whether every value of a condition is what its operator compares."""
    for condition in statement.conditions:
        operator = conditions.find(condition.operator)
        assert operator is not None
        for _key, wanted in condition.tests:
            if not all(operator.takes(value, variables=document.has_variables) for value in wanted):
                return False
    return True


def _echo(text: str) -> str:
    """What a refusal repeats of a document: every door can write it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:MAXIMUM_ECHO])


_CHECKS = {Kind.TRUST: _check_trust, Kind.ENDPOINT: _check_endpoint}
_PRINCIPALS: dict[str, Callable[[str], object]] = {
    "AWS": is_aws_principal,
    "Service": _SERVICE.fullmatch,
    "Federated": _FEDERATED.fullmatch,
}
