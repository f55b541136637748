"""Who has which credentials in an account, and when they were last changed and used: a table in AWS's columns."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from holdfast import store
from holdfast.model.errors import CredentialReportExpired, CredentialReportNotPresent
from holdfast.model.iam_entities import arn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.model.callers import AccessKey
    from holdfast.model.password_policies import PasswordPolicy
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

LIFETIME = timedelta(hours=4)  # IAM API, "GenerateCredentialReport"
KEYS = 2
COLUMNS = (
    "user", "arn", "user_creation_time",
    "password_enabled", "password_last_used", "password_last_changed", "password_next_rotation", "mfa_active",
    *(f"access_key_{number}_{what}" for number in (1, 2) for what in
      ("active", "last_rotated", "last_used_date", "last_used_region", "last_used_service")),
    "cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated",
)  # fmt: skip
NONE = "N/A"
NO_CERTIFICATES = ["false", NONE, "false", NONE]


def generate(on: Backends, account_id: str) -> bool:
    """Make the report of an account, unless there is one that is young enough; whether it was made."""
    now = on.clock()
    with on.database.transaction() as tx:
        found = store.iam_credential_reports.find(tx, account_id)
        if found is not None and now < found[1] + LIFETIME:
            return False
        store.iam_credential_reports.put(tx, account_id, _report(tx, account_id), now)
    return True


def get(on: Backends, account_id: str) -> tuple[bytes, datetime]:
    """The report that was made last, and when; or `CredentialReportNotPresent` or `CredentialReportExpired`."""
    with on.database.snapshot() as tx:
        found = store.iam_credential_reports.find(tx, account_id)
    if found is None:
        raise CredentialReportNotPresent
    if on.clock() >= found[1] + LIFETIME:
        raise CredentialReportExpired
    return found


def _report(tx: Transaction, account_id: str) -> bytes:
    policy = store.iam_password_policies.find(tx, account_id)
    keys: dict[str | None, list[AccessKey]] = {}
    for key in store.accounts.list_keys(tx, account_id):
        keys.setdefault(key.user_id, []).append(key)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    root = f"arn:aws:iam::{account_id}:root"
    no_password = ["false", NONE, NONE, "not_supported", "false"]
    writer.writerow(["<root_account>", root, _told(store.accounts.created_at(tx, account_id)), *no_password,
                     *_keys(keys.get(None, [])), *NO_CERTIFICATES])  # fmt: skip
    for user in store.iam_credential_reports.users(tx, account_id):
        writer.writerow([user["name"], arn(account_id, "user", user["path"], user["name"]), _told(user["created_at"]),
                         *_password(user, policy), *_keys(keys.get(user["id"], [])), *NO_CERTIFICATES])  # fmt: skip
    return text.getvalue().removesuffix("\n").encode()


def _password(user: Mapping[str, Any], policy: PasswordPolicy | None) -> list[str]:
    if user["password_made_at"] is None:
        return ["false", NONE, NONE, NONE, "false"]
    changed_at = user["changed_at"] or user["password_made_at"]
    used = user["password_used_at"]
    expires_at = policy.expires_at(changed_at) if policy else None
    return ["true", _told(used) if used else "no_information", _told(changed_at), _told(expires_at), "false"]


def _keys(keys: Sequence[AccessKey]) -> list[str]:
    """What is told of two keys; of a root that has more, which AWS does not allow, the active ones are shown first."""
    shown = sorted(keys, key=lambda key: (len(keys) > KEYS and not key.is_active, key.id))[:KEYS]
    told = [
        part
        for key in shown
        for part in (str(key.is_active).lower(), _told(key.created_at), _told(key.used_at), key.used_in or NONE,
                     key.used_for or NONE)
    ]  # fmt: skip
    return told + ["false", NONE, NONE, NONE, NONE] * (KEYS - len(shown))


def _told(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else NONE
