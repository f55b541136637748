"""The policy language of IAM: what documents say, and what follows from them.

    patterns  arns  values         texts with wildcards and variables, ARNs, what condition values mean
    documents → kinds              a text's grammar, then what a kind of policy asks beyond it, in AWS's words
    conditions  principals         operators; who is meant
    compiled → evaluate            a document made ready to be asked; the decision over all that apply

Everything here is pure, and nothing that a client may write makes it slow: time grows with the length of texts only.
"""

from holdfast.model.iam.compiled import CompiledPolicy, Request, compile_policy, stored
from holdfast.model.iam.documents import Document, read, size
from holdfast.model.iam.evaluate import Decision, MatchedStatement, Policies, evaluate
from holdfast.model.iam.kinds import Kind, invalid_principal, parse
from holdfast.model.iam.principals import Principal, is_aws_principal

__all__ = [
    "CompiledPolicy",
    "Decision",
    "Document",
    "Kind",
    "MatchedStatement",
    "Policies",
    "Principal",
    "Request",
    "compile_policy",
    "evaluate",
    "invalid_principal",
    "is_aws_principal",
    "parse",
    "read",
    "size",
    "stored",
]
