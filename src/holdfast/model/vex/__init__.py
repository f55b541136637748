"""VEX: what somebody says of vulnerabilities in a product: that it is not affected, say, and why.

    openvex · cyclonedx · csaf ──► Document ── Statement: names, status, products ──► covers(package of an image)
    attestations: what signs such a document is taken off

A reader takes what it understands for sure. A product that it cannot tell from others is left out and counted, so that
no finding is hidden by a guess.
"""

from holdfast.model.vex.products import Whereabouts, covers, held
from holdfast.model.vex.reading import MAXIMUM_BYTES, is_referrer, read, read_attached, subject_of_tag
from holdfast.model.vex.statements import (
    HIDING,
    BadVex,
    Document,
    Form,
    Kept,
    Product,
    Said,
    Statement,
    Status,
    deciding,
)

__all__ = [
    "HIDING",
    "MAXIMUM_BYTES",
    "BadVex",
    "Document",
    "Form",
    "Kept",
    "Product",
    "Said",
    "Statement",
    "Status",
    "Whereabouts",
    "covers",
    "deciding",
    "held",
    "is_referrer",
    "read",
    "read_attached",
    "subject_of_tag",
]
