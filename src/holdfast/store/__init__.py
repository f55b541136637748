"""Where facts are kept: the only SQL. Functions take the open transaction first."""

from holdfast.store import accounts, blobs, images, repositories, schedules, secrets, uploads
from holdfast.store.database import Database, Transaction

__all__ = [
    "Database",
    "Transaction",
    "accounts",
    "blobs",
    "images",
    "repositories",
    "schedules",
    "secrets",
    "uploads",
]
