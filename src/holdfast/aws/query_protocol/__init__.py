"""AWS Query as a server speaks it: forms in, XML or JSON out, all by Amazon's own description."""

from holdfast.aws.query_protocol.answers import WORDS_QUERY, answer, failure, fault, words
from holdfast.aws.query_protocol.constraints import validate
from holdfast.aws.query_protocol.forms import (
    FORM_BYTES,
    InvalidAction,
    MalformedInput,
    MissingAction,
    is_spoken,
    parse,
    read_form,
    service_of,
)

__all__ = [
    "FORM_BYTES",
    "WORDS_QUERY",
    "InvalidAction",
    "MalformedInput",
    "MissingAction",
    "answer",
    "failure",
    "fault",
    "is_spoken",
    "parse",
    "read_form",
    "service_of",
    "validate",
    "words",
]
