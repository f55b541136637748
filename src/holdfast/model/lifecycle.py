"""Lifecycle policies: which images a repository lets go, which it archives, and why it keeps the rest.

    an image of a storage class
      │  rule 1, rule 2, …          the first rule that selects it decides about it, and shields it from the others
      ├─ by count                   its place among all that the rule selects, newest first, whoever decided about them
      └─ by age                     its clock, which must lie more than so many days back

This is what the evaluation rules of ECR come to (ECR user guide, 'Lifecycle policy evaluation rules').
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from holdfast.model import globs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

STORAGE_CLASSES = {"ACTIVE": "standard", "ARCHIVED": "archive"}  # an image that is being restored is in neither
LISTED, IN_USE = "ImageReferencedByManifestList", "ImageInUse"
ACTS = {"expire": "expires", "transition": "archives"}
WOULD_ACT = {"expire": "would expire", "transition": "would archive"}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which images a rule speaks of, and how many or how old they may be."""

    tag_status: str  # tagged, untagged or any
    tag_patterns: tuple[str, ...]
    tag_prefixes: tuple[str, ...]
    storage_class: str  # standard or archive
    count_type: str
    count_number: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a policy."""

    priority: int
    description: str | None
    selection: Selection
    action: str  # expire or transition


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules by ascending priority."""

    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image as a lifecycle policy sees it."""

    id: int
    digest: str
    tags: tuple[str, ...]
    status: str  # ACTIVE, ARCHIVED or ACTIVATING
    pushed_at: datetime
    activated_at: datetime | None  # when it was last restored from the archive
    archived_at: datetime | None
    pulled_at: datetime | None
    is_listed: bool  # an index of the repository lists it
    is_referrer: bool  # its subject is in the repository
    held_by: str | None = None  # who says that it runs


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one image, and what decided it."""

    image: Candidate
    rule: Rule | None = None  # the first that selects the image, whether or not it acts on it
    action: str | None = None  # None: kept
    failure: str | None = None
    place: int | None = None  # among all that a counting rule selects; the newest is number 1

    @property
    def reason(self) -> str:
        """One sentence for people who ask why."""
        rule = self.rule
        if rule is None:
            return _reason_without_rule(self.image)
        if self.failure:
            why = "an index lists it" if self.failure == LISTED else f"it is in use by {self.image.held_by}"
            return f"kept: {why} (rule {rule.priority} {WOULD_ACT[rule.action]} it)"
        if self.action:
            return f"rule {rule.priority} {ACTS[self.action]} it: {self._measured()}"
        return f"kept: rule {rule.priority} selects it{self._measured()}"

    def _measured(self) -> str:
        """Where the image stands against the rule's number, as the end of a sentence."""
        assert self.rule is not None
        limit = self.rule.selection.count_number
        if self.place is not None:
            if self.action:
                return f"number {self.place} from the newest of those it selects, and it keeps {limit}"
            return f" and keeps the newest {limit}, of which it is number {self.place}"
        event, at = clock(self.image, self.rule.selection.count_type)
        days = f"more than {limit} {'day' if limit == 1 else 'days'} ago"
        moment = f"{event} {at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return f"{moment}, {days}" if self.action else f", {moment}, not yet {days}"


def _reason_without_rule(image: Candidate) -> str:
    if image.is_referrer:
        return "kept: it goes with its subject"
    if image.status not in STORAGE_CLASSES:
        return "kept: it is being restored"
    return "kept: no rule selects it"


def plan(policy: Policy, images: Sequence[Candidate], now: datetime) -> list[Verdict]:
    """Judge every image, one verdict each, in the order given."""
    verdicts: dict[int, Verdict] = {}
    for rule, selected in _selected(policy, images):
        for place, at in enumerate(selected, 1):
            if at not in verdicts:
                verdicts[at] = _judge(images[at], rule, place, now)
    return [verdicts.get(at) or Verdict(image) for at, image in enumerate(images)]


def _selected(policy: Policy, images: Sequence[Candidate]) -> list[tuple[Rule, list[int]]]:
    """For each rule, where in `images` those are that it selects, newest first, whether or not another took them."""
    # Two stable sorts, because one key cannot have times descend and digests ascend.
    newest_first = sorted(range(len(images)), key=lambda at: images[at].digest)
    newest_first.sort(key=lambda at: clock(images[at], "imageCountMoreThan")[1], reverse=True)
    found: list[tuple[Rule, list[int]]] = [(rule, []) for rule in policy.rules]
    asked = {
        status: [
            (_selects(rule.selection), selected.append)
            for rule, selected in found
            if rule.selection.storage_class == storage_class
        ]
        for status, storage_class in STORAGE_CLASSES.items()
    }
    # Image by image, not rule by rule: for 50 rules and 100,000 images that takes 1.8 s instead of 4.9 s.
    for at in newest_first:
        # A referrer leaves with its subject: no rule chooses it, and it takes no other image's place.
        if not images[at].is_referrer:
            tags = images[at].tags
            for selects, take in asked.get(images[at].status, ()):
                if selects(tags):
                    take(at)
    return found


def _judge(image: Candidate, rule: Rule, place: int, now: datetime) -> Verdict:
    """What the first rule that selects an image does with it."""
    selection = rule.selection
    if selection.count_type == "imageCountMoreThan":
        counted, is_marked = place, place > selection.count_number
    else:
        _, since = clock(image, selection.count_type)
        counted, is_marked = None, now - since > timedelta(days=min(selection.count_number, timedelta.max.days))
    if is_marked and image.is_listed:
        return Verdict(image, rule, failure=LISTED, place=counted)
    if is_marked and image.held_by is not None:
        return Verdict(image, rule, failure=IN_USE, place=counted)
    return Verdict(image, rule, rule.action if is_marked else None, place=counted)


def clock(image: Candidate, count_type: str) -> tuple[str, datetime]:
    """What a rule measures the image's age from, and when that was (ECR user guide, 'Lifecycle policy parameters')."""
    if count_type == "sinceImageTransitioned":
        assert image.archived_at is not None
        return "archived", image.archived_at
    is_about_pulls = count_type == "sinceImagePulled"
    activated_at, pulled_at = image.activated_at, image.pulled_at
    if is_about_pulls and pulled_at is not None and (activated_at is None or pulled_at >= activated_at):
        return "last pulled", pulled_at
    if activated_at is not None:
        return "not pulled since it was restored" if is_about_pulls else "restored", activated_at
    return "not pulled since it was pushed" if is_about_pulls else "pushed", image.pushed_at


def _selects(selection: Selection) -> Callable[[tuple[str, ...]], bool]:
    """Whether an image of these tags is selected: each entry of a list must match a tag, not each tag an entry."""
    if selection.tag_status != "tagged":
        return (lambda tags: not tags) if selection.tag_status == "untagged" else (lambda _: True)
    # 50 rules ask 100,000 images five million times.
    entries = [globs.matcher(pattern.split("*")) for pattern in dict.fromkeys(selection.tag_patterns)]
    entries += [globs.matcher([prefix, ""]) for prefix in dict.fromkeys(selection.tag_prefixes)]

    def selects(tags: tuple[str, ...]) -> bool:
        for matches in entries:
            if not any(map(matches, tags)):
                return False
        return bool(tags)

    return selects
