"""What lifecycle policies did, or would do, as CloudTrail's service events tell it (ECR user guide, "CloudTrail")."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Any

from holdfast.model.audit_parameters import MOST_ITEMS, cut
from holdfast.model.lifecycle import IN_USE, LISTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from holdfast.model.lifecycle import Rule, Verdict

EVALUATED, PREVIEWED = "PolicyExecutionEvent", "DryRunEvent"
IMAGES = 10  # of one event
TAGS = 100  # of one image
COUNT_TYPES = {
    "imageCountMoreThan": "Image count more than",
    "sinceImagePushed": "Since image pushed",
    "sinceImagePulled": "Since image pulled",
    "sinceImageTransitioned": "Since image transitioned",
}
REASONS = {
    LISTED: "The image is referenced by a manifest list, and must not be deleted before it.",
    IN_USE: "The image is in use, as a lease on it says.",
}


def details(
    repository_name: str, text: str, revision: int, evaluated_at: datetime | None, verdicts: Sequence[Verdict]
) -> Iterator[dict[str, Any]]:
    """The details of as many events as are needed; the verdicts are those that were carried out, or could not be."""
    policy_id = str(uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4))
    for start in range(0, len(verdicts), IMAGES):
        portion = verdicts[start : start + IMAGES]
        rules = {one.rule.priority: one.rule for one in portion if one.rule is not None}
        shown: dict[str, Any] = {
            "repositoryName": repository_name,
            "lifecycleEventPolicy": {
                "lifecycleEventRules": [_rule(rules[priority]) for priority in sorted(rules)],
                "lastEvaluatedAt": _milliseconds(evaluated_at) if evaluated_at else 0,
                "policyVersion": revision,
                "policyId": policy_id,
            },
            "lifecycleEventImageActions": [_image(one) for one in portion if not one.failure],
        }
        failed = [
            {**_image(one), "failureCode": one.failure, "failureReason": REASONS[one.failure]}
            for one in portion
            if one.failure
        ]
        if failed:
            shown["lifecycleEventFailureDetails"] = failed
        yield shown


def _rule(rule: Rule) -> dict[str, Any]:
    """A rule; of an event only those are told that decided about its images."""
    selection = rule.selection
    return {
        "rulePriority": rule.priority,
        "description": cut(rule.description or ""),
        "lifecycleEventSelection": {
            "tagStatus": selection.tag_status.capitalize(),
            "tagPrefixList": list(selection.tag_prefixes[:MOST_ITEMS]),
            "tagPatternList": list(selection.tag_patterns[:MOST_ITEMS]),
            "countType": COUNT_TYPES.get(selection.count_type, selection.count_type),
            "countNumber": selection.count_number,
        },
        "action": rule.action,
    }


def _image(verdict: Verdict) -> dict[str, Any]:
    image = verdict.image
    return {
        "lifecycleEventImage": {
            "digest": image.digest,
            "tagStatus": "Tagged" if image.tags else "Untagged",
            "tagList": list(image.tags[:TAGS]),
            "pushedAt": _milliseconds(image.pushed_at),
        },
        "rulePriority": verdict.rule.priority if verdict.rule else 0,
    }


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
