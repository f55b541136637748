"""What an account asks of the passwords of its users."""

from __future__ import annotations

import string
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.model.errors import PasswordPolicyViolation
from holdfast.model.iam_entities import key_of

SYMBOLS = "!@#$%^&*()_+-=[]{}|'"  # IAM user guide, "Setting an account password policy"
REMEMBERED = 24  # passwords of a user, whatever the policy says: it may ask for them later
KINDS = (string.ascii_uppercase, string.ascii_lowercase, string.digits)  # and all that is neither letter nor digit
KINDS_NEEDED = 3
SHORTEST = 8


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """A policy with AWS's default for whatever it does not say."""

    minimum_length: int = 6
    needs_symbols: bool = False
    needs_numbers: bool = False
    needs_uppercase: bool = False
    needs_lowercase: bool = False
    users_may_change: bool = False
    max_age_days: int | None = None
    reuse_prevention: int | None = None  # of how many passwords, the one of now among them
    hard_expiry: bool | None = None

    def expires_at(self, changed_at: datetime) -> datetime | None:
        """When a password that was chosen at some time expires, if ever."""
        return changed_at + timedelta(days=self.max_age_days) if self.max_age_days else None


def check(policy: PasswordPolicy | None, password: str, user_name: str) -> None:
    """Refuse a password that is easier to guess than the account allows; None is AWS's default policy."""
    if policy is None:
        kinds = sum(any(character in kind for character in password) for kind in KINDS)
        kinds += any(character not in string.ascii_letters + string.digits for character in password)
        is_right = len(password) >= SHORTEST and kinds >= KINDS_NEEDED
    else:
        needed = {
            SYMBOLS: policy.needs_symbols,
            string.digits: policy.needs_numbers,
            string.ascii_uppercase: policy.needs_uppercase,
            string.ascii_lowercase: policy.needs_lowercase,
        }
        is_right = len(password) >= policy.minimum_length and all(
            any(character in kind for character in password) for kind, is_needed in needed.items() if is_needed
        )
    if not is_right or key_of(password) == key_of(user_name):
        raise PasswordPolicyViolation
