"""Policies made ready to be asked: patterns and operators compiled once, statements found by action.

    policy = compile_policy(parse(text, Kind.IDENTITY), "arn:aws:iam::111122223333:policy/push")
    for statement in policy.about("ecr:PutImage"): …

`evaluate` asks all policies of a request; a caller compiles each once and may keep it as long as its text stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.model.errors import MalformedPolicyDocument
from holdfast.model.iam import arns, conditions, documents
from holdfast.model.iam.documents import Choice, Document
from holdfast.model.iam.patterns import keys_of, matcher, tokenize
from holdfast.model.iam.principals import BY_NAME, NOBODY, STAR, listed_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from holdfast.model.iam.patterns import Context
    from holdfast.model.iam.principals import Principal

ANYBODY = 1 << 8  # the class of who asks a statement that names no principal: its policy is the principal's own
KNOWN_ACTIONS = 1024  # how many actions a policy remembers its statements of


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks to do what to which resource, an ARN or `*`; the keys of the context are in lower case."""

    principal: Principal
    action: str
    resource: str
    resource_account: str
    context: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CompiledStatement:
    """A statement ready to be asked."""

    source: str
    sid: str  # or its place in the policy, from 0
    is_deny: bool
    names: frozenset[str] | None
    names_are_excluded: bool
    is_action: Callable[[str], bool]
    is_resource: Callable[[str, Context], bool]
    tests: tuple[Callable[[Context], bool], ...]

    def applies_to(self, request: Request, is_bounded: bool) -> int:
        """The classes by which it applies to a request, whose action is one of its own."""
        context = request.context
        if not self.is_resource(request.resource, context):
            return NOBODY
        means = ANYBODY if self.names is None else self._means(request.principal, self.names, is_bounded)
        if means:
            for test in self.tests:
                if not test(context):
                    return NOBODY
        return means

    def _means(self, principal: Principal, names: frozenset[str], is_bounded: bool) -> int:
        """The classes by which it means somebody."""
        found = principal.classes(names)
        if not self.names_are_excluded:
            return found
        if not self.is_deny:
            return NOBODY if found else STAR
        # Spared is who is listed himself: an account alone would spare all of his neighbours.
        return STAR if is_bounded or not found & BY_NAME else NOBODY


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """A policy ready to be asked; its source is how an explanation names it, such as its ARN."""

    source: str
    statements: tuple[CompiledStatement, ...]
    keys_used: frozenset[str]  # of the context: requests that agree in these are decided alike
    _known: dict[str, tuple[CompiledStatement, ...]] = field(default_factory=dict, repr=False, compare=False)

    def about(self, action: str) -> tuple[CompiledStatement, ...]:
        """The statements that speak of an action."""
        found = self._known.get(action)
        if found is None:
            folded = action.lower()
            found = tuple(statement for statement in self.statements if statement.is_action(folded))
            if len(self._known) < KNOWN_ACTIONS:
                self._known[action] = found
        return found

    def always_denies(self, principal: Principal, action: str, resource: str) -> bool:
        """Whether somebody may not do something under any circumstances."""
        request = Request(principal, action, resource, "")
        return any(
            statement.is_deny and not statement.tests and statement.applies_to(request, False)
            for statement in self.about(action)
        )


def compile_policy(document: Document, source: str) -> CompiledPolicy:
    """Make a policy ready to be asked."""
    keys: set[str] = set()
    statements = tuple(
        _statement(statement, source, str(index), document.has_variables, keys)
        for index, statement in enumerate(document.statements)
    )
    return CompiledPolicy(source, statements, frozenset(keys))


def stored(text: str, source: str) -> CompiledPolicy:
    """A policy that was checked when it was written; one that cannot be read any more denies everything."""
    try:
        document = documents.read(text)
    except MalformedPolicyDocument:
        document = _NOTHING_GOES
    return compile_policy(document, source)


_ALL, _NONE = Choice(("*",)), Choice(())
_NOTHING_GOES = Document(
    documents.WITH_VARIABLES, None, (documents.Statement("Unreadable", "Deny", None, _ALL, _ALL, ()),)
)


def _statement(
    statement: documents.Statement, source: str, index: str, has_variables: bool, keys: set[str]
) -> CompiledStatement:
    is_deny = statement.effect != "Allow"
    broken = _ALL if is_deny else _NONE  # what should have been refused when it was written
    resources = statement.resources
    if resources is None and statement.principals is None:
        resources = broken
    tests = []
    for condition in statement.conditions:
        for key, wanted in condition.tests:
            test, read = conditions.compiled(
                condition.operator, key, wanted, denies=is_deny, variables=has_variables
            )  # fmt: skip
            tests.append(test)
            keys |= read
    return CompiledStatement(
        source=source,
        sid=statement.sid or index,
        is_deny=is_deny,
        names=None if statement.principals is None else listed_names(statement.principals),
        names_are_excluded=statement.principals is not None and statement.principals.is_negated,
        is_action=_action_test(statement.actions or broken),
        is_resource=_resource_test(resources, has_variables, keys),
        tests=tuple(tests),
    )


def _action_test(choice: Choice) -> Callable[[str], bool]:
    exact = {text.lower() for text in choice.listed}
    patterns = [
        matcher(tokenize(text, wildcards=True, variables=False)) for text in exact if "*" in text or "?" in text
    ]
    wanted = not choice.is_negated
    return lambda action: (action in exact or any(is_match(action) for is_match in patterns)) is wanted


def _resource_test(choice: Choice | None, has_variables: bool, keys: set[str]) -> Callable[[str, Context], bool]:
    """Whether a statement is about a resource; `*`, that of an action on the whole registry, is named by `*` only."""
    if choice is None:  # the resource that has the policy
        return lambda resource, _context: resource != "*"
    wanted = not choice.is_negated
    if "*" in choice.listed:
        return lambda _resource, _context: wanted
    tests = []
    for text in choice.listed:
        tokens = arns.resource_tokens(text, variables=has_variables)
        keys |= keys_of(tokens)
        tests.append(arns.arn_test(tokens))
    if len(tests) == 1 and wanted:
        [only] = tests
        return lambda resource, context: resource != "*" and only(resource, context)

    def test(resource: str, context: Context) -> bool:
        is_listed = resource != "*" and any(one(resource, context) for one in tests)
        return is_listed is wanted

    return test
