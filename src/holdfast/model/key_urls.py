"""Where the registry's own key is kept, as an operator says it in one line.

aws-kms://KEY?region=…&endpoint=…&remember=…            KEY is an ARN, alias/NAME or an id
vault://HOST[:PORT]/MOUNT/KEY?namespace=…&remember=…    a key of the transit engine of Vault or OpenBao
local                                                   the key file
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

LONGEST_MEMORY_SECONDS = 300
KMS_KEY = re.compile(r"(arn:aws[a-z0-9-]*:kms:(?P<region>[a-z0-9-]+):[0-9]{12}:)?[A-Za-z0-9/_-]{1,260}", re.ASCII)
VAULT_PATH = re.compile(r"/(?P<mount>[\w./-]+)/(?P<key>[\w.-]+)", re.ASCII)
REGION = re.compile(r"[a-z0-9-]{2,25}", re.ASCII)
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class AwsKmsAt:
    """A key of AWS KMS, or of something that speaks its API."""

    key: str
    region: str
    endpoint: str | None
    remember_seconds: int


@dataclass(frozen=True, slots=True)
class VaultAt:
    """A key of a transit engine."""

    url: str
    mount: str
    key: str
    namespace: str | None
    remember_seconds: int


def parse(text: str) -> AwsKmsAt | VaultAt | None:
    """What a URL says; None is the key file. Raises `ValueError` with half a sentence."""
    scheme, _, rest = text.partition("://")
    if scheme == "aws-kms":
        return _aws_kms(*_split(rest, {"region", "endpoint", "remember"}))
    if scheme == "vault":
        return _vault(*_split(rest, {"namespace", "remember", "plain-http"}))
    if text not in {"", "local"}:
        raise ValueError("it must be local, aws-kms://KEY or vault://HOST/MOUNT/KEY")
    return None


def _split(rest: str, known: set[str]) -> tuple[str, dict[str, str]]:
    place, _, query = rest.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    if len(options) != len(pairs) or not options.keys() <= known:
        raise ValueError(f"after the question mark may stand {', '.join(sorted(known))}, each once")
    return place, options


def _aws_kms(key: str, options: dict[str, str]) -> AwsKmsAt:
    found = KMS_KEY.fullmatch(key)
    region = options.get("region") or (found and found["region"]) or ""
    if found is None or not REGION.fullmatch(region):
        raise ValueError("it must be aws-kms:// and an ARN, or alias/NAME or an id with ?region=NAME")
    endpoint = options.get("endpoint")
    if endpoint is not None:
        at = urlsplit(endpoint)
        if at.scheme not in {"https", "http"} or not at.hostname or at.username or at.query or at.fragment:
            raise ValueError("endpoint must be a plain URL")
        if at.scheme == "http" and at.hostname not in LOOPBACK:
            raise ValueError("endpoint must be https: keys are not sent in the clear over a network")
    return AwsKmsAt(key, region, endpoint, _remember(options))


def _vault(place: str, options: dict[str, str]) -> VaultAt:
    at = urlsplit(f"//{place}")
    path = VAULT_PATH.fullmatch(at.path)
    if not at.hostname or at.username or path is None or ".." in at.path:
        raise ValueError("it must be vault://HOST[:PORT]/MOUNT/KEY")
    is_plain = options.get("plain-http", "no") == "yes"
    if is_plain and at.hostname not in LOOPBACK:
        raise ValueError("plain-http is for this machine only: keys are not sent in the clear over a network")
    url = f"{'http' if is_plain else 'https'}://{at.netloc}"
    return VaultAt(url, path["mount"], path["key"], options.get("namespace"), _remember(options))


def _remember(options: dict[str, str]) -> int:
    text = options.get("remember", str(LONGEST_MEMORY_SECONDS))
    if not text.isdecimal() or int(text) > LONGEST_MEMORY_SECONDS:
        raise ValueError(f"remember must be a number of seconds up to {LONGEST_MEMORY_SECONDS}")
    return int(text)
