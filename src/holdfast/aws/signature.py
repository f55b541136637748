"""Who signed a request: AWS Signature Version 4 as the server sees it, in a header or in a presigned query.

The order of the checks and their words are those of AWS's query services, charted by scratchstack-aws-signature.
`read` does what needs neither secret nor body, so that a doomed upload is refused unread; `prove` does the rest.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from holdfast.model.errors import Denied
from holdfast.model.names import REGION

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
WINDOW = timedelta(minutes=15)
LONGEST_PRESIGNED = timedelta(minutes=15)  # what STS honours, whatever X-Amz-Expires says


@dataclass(frozen=True, slots=True)
class Head:
    """A request without its body. Text is the bytes on the wire read as Latin-1: nothing is lost, nothing decoded."""

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]  # names in lower case, as received: neither merged nor sorted

    def find(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says of its signature; not yet proven."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str = field(repr=False)
    signed_at: datetime
    session_token: str | None = field(repr=False)
    expires: timedelta | None

    @property
    def presigned(self) -> bool:
        """Whether the signature is in the query, with a time of its own to live."""
        return self.expires is not None


# ---- Refusals


class SignatureFault(Denied):
    """A request that does not prove who sent it. JSON services answer every one with HTTP 400."""

    json_code: ClassVar[str]
    query_code: ClassVar[str]
    query_status: ClassVar[int] = 403

    def __init__(self, message: str, query_message: str | None = None) -> None:
        super().__init__(_printable(message))
        self.query_message = self.message if query_message is None else query_message

    @property
    def code(self) -> str:
        """The code that JSON services use."""
        return self.json_code


class MalformedQueryString(SignatureFault):
    """A query with a broken percent escape."""

    json_code = "MalformedQueryStringException"
    query_code = "MalformedQueryString"
    query_status = 400


class MissingAuthenticationToken(SignatureFault):
    """A request without a signature."""

    json_code = "MissingAuthenticationTokenException"
    query_code = "MissingAuthenticationToken"

    def __init__(self) -> None:
        super().__init__("Missing Authentication Token", "Request is missing Authentication Token")


class IncompleteSignature(SignatureFault):
    """A signature without all its parts."""

    json_code = "IncompleteSignatureException"
    query_code = "IncompleteSignature"
    query_status = 400


class SignatureDoesNotMatch(SignatureFault):
    """A signature for another request, time, place or secret."""

    json_code = "InvalidSignatureException"
    query_code = "SignatureDoesNotMatch"


class RequestExpired(SignatureFault):
    """A presigned request past the time that its signer gave it."""

    json_code = "InvalidSignatureException"
    query_code = "RequestExpired"
    query_status = 400

    def __init__(self, signed_at: datetime, now: datetime, expires: timedelta) -> None:
        super().__init__(_too_old(signed_at, now, expires), "Request has expired.")


# ---- Reading


def read(head: Head, now: datetime, *, services: Collection[str], window: timedelta = WINDOW) -> Claim:
    """Take a signature apart and refuse what cannot be right, whoever signed it."""
    query = dict(reversed(parameters(head.query)))  # the first of equal names wins
    authorization, algorithm = head.find("authorization"), query.get("X-Amz-Algorithm")
    if authorization is not None and algorithm is not None:
        raise SignatureDoesNotMatch("")
    if authorization is not None:
        parts = _parts_of_header(head, authorization.strip(" \t"))
    elif algorithm == ALGORITHM:
        parts = _parts_of_query(query)
    else:
        raise MissingAuthenticationToken

    signed_headers = tuple(sorted(parts.signed_headers.split(";")))
    _check_signed_headers(head, signed_headers)
    signed_at = _timestamp(parts.timestamp)
    # A presigned request lives as long as its signer said, however narrow the window for clocks is.
    _check_time(
        signed_at, now, oldest=window if parts.expires is None else max(window, LONGEST_PRESIGNED), window=window
    )
    scope = _scope(parts, services)
    return Claim(*scope, signed_headers, parts.signature, signed_at, parts.session_token or None, parts.expires)


class _Parts(NamedTuple):
    """A signature as it was written, in either form."""

    credential: str
    signed_headers: str
    signature: str
    timestamp: str
    session_token: str | None
    expires: timedelta | None


def _parts_of_header(head: Head, authorization: str) -> _Parts:
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        raise IncompleteSignature(f"Unsupported AWS 'algorithm': '{algorithm}'.")
    found: dict[str, str] = {}
    for part in filter(None, (part.strip(" \t") for part in rest.split(","))):
        name, equals, value = part.partition("=")
        if not equals:
            raise IncompleteSignature(
                f"'{part}' not a valid key=value pair (missing equal-sign) in Authorization header: '{authorization}'"
            )
        found[name] = value  # the last of equal names wins
    required = ("Credential", "Signature", "SignedHeaders")
    missing = [f"Authorization header requires '{name}' parameter." for name in required if name not in found]
    timestamp = head.find("x-amz-date")
    if timestamp is None:
        timestamp = head.find("date")
    if timestamp is None:
        missing.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if missing or timestamp is None:
        raise IncompleteSignature(f"{' '.join(missing)} Authorization={ALGORITHM}")
    written = (found["Credential"], found["SignedHeaders"], found["Signature"], timestamp.strip(" \t"))
    return _Parts(*written, session_token=head.find("x-amz-security-token"), expires=None)


def _parts_of_query(query: Mapping[str, str]) -> _Parts:
    required = ("X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date")
    missing = [f"AWS query-string parameters must include '{name}'." for name in required if name not in query]
    if missing:
        raise IncompleteSignature(f"{' '.join(missing)} Re-examine the query-string parameters.")
    credential, signature, signed_headers, timestamp = (query[name] for name in required)
    expires = _time_to_live(query.get("X-Amz-Expires"))
    return _Parts(credential, signed_headers, signature, timestamp, query.get("X-Amz-Security-Token"), expires)


def _time_to_live(seconds: str | None) -> timedelta:
    if seconds is None:
        return LONGEST_PRESIGNED
    if not re.fullmatch(r"[0-9]+", seconds):
        raise IncompleteSignature("X-Amz-Expires should be a number")  # in S3's words; nobody else documents this
    # Cut before it is read: Python refuses to read thousands of digits.
    return min(timedelta(seconds=int(seconds.lstrip("0")[:9] or "0")), LONGEST_PRESIGNED)


def _check_signed_headers(head: Head, signed: tuple[str, ...]) -> None:
    """Refuse what would be believed without having been signed: the target selects the operation, for one."""
    missing = [] if {"host", ":authority"} & set(signed) else ["'Host' or ':authority'"]
    for name, _ in head.headers:
        # A session token proves itself, and two of AWS's own test vectors add it after signing.
        is_amazon_s = name.startswith("x-amz-") and name != "x-amz-security-token"
        describes_body = name == "content-type" and head.method.upper() not in {"GET", "HEAD"}
        if (is_amazon_s or describes_body) and name not in signed:
            missing.append(f"'{name}'")
    if missing:
        raise SignatureDoesNotMatch(f"{missing[0]} must be a 'SignedHeader' in the AWS Authorization.")


def _timestamp(text: str) -> datetime:
    found = re.fullmatch(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z", text)
    try:
        if found:
            year, month, day, hour, minute, second = map(int, found.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        pass
    raise IncompleteSignature(
        f"Date must be in ISO-8601 'basic format'. Got '{text}'. See http://en.wikipedia.org/wiki/ISO_8601"
    )


def _check_time(signed_at: datetime, now: datetime, *, oldest: timedelta, window: timedelta) -> None:
    now = now.replace(microsecond=0)  # the texts speak of seconds, and must be true
    if signed_at < now - oldest:
        raise SignatureDoesNotMatch(_too_old(signed_at, now, oldest))
    if signed_at > now + window:
        raise SignatureDoesNotMatch(
            f"Signature not yet current: {_basic(signed_at)} is still later than {_basic(now + window)} "
            f"({_basic(now)} + {_span(window)})"
        )


def _scope(parts: _Parts, services: Collection[str]) -> tuple[str, str, str, str]:
    elements = parts.credential.split("/")
    if len(elements) != 5:
        raise IncompleteSignature(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got '{parts.credential}'"
        )
    access_key_id, date, region, service, terminator = elements
    faults = []
    if "\0" in access_key_id:
        faults.append("Credential should name an access key.")
    if not REGION.fullmatch(region):
        faults.append(f"Credential should be scoped to a valid region, not '{region}'.")
    if service not in services:
        correct = "' or '".join(sorted(services))
        faults.append(f"Credential should be scoped to correct service: '{correct}'.")
    if terminator != TERMINATOR:
        faults.append(f"Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{terminator}'.")
    if date != parts.timestamp[:8]:
        faults.append(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{date}' != '{parts.timestamp[:8]}', from '{parts.timestamp}'."
        )
    if faults:
        raise SignatureDoesNotMatch(" ".join(faults))
    return access_key_id, date, region, service


# ---- Proving


def prove(head: Head, claim: Claim, secret_access_key: str, body_sha256: str, now: datetime) -> None:
    """Refuse unless the owner of the secret signed this very request, body included."""
    scope = f"{claim.date}/{claim.region}/{claim.service}/{TERMINATOR}"
    request_hash = hashlib.sha256(canonical_request(head, claim, body_sha256)).hexdigest()
    string_to_sign = "\n".join((ALGORITHM, _basic(claim.signed_at), scope, request_hash))
    key = _signing_key(secret_access_key, claim.date, claim.region, claim.service)
    expected = hmac.new(key, string_to_sign.encode(), hashlib.sha256).hexdigest()
    # UNSIGNED-PAYLOAD and its kin are S3's: here the body is always hashed, and a promise about it must be true.
    promised_sha256 = head.find("x-amz-content-sha256")
    body_is_as_promised = promised_sha256 is None or promised_sha256 == body_sha256
    if not hmac.compare_digest(expected.encode(), claim.signature.encode()) or not body_is_as_promised:
        raise SignatureDoesNotMatch(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details."
        )
    if claim.expires is not None and now.replace(microsecond=0) > claim.signed_at + claim.expires:
        raise RequestExpired(claim.signed_at, now, claim.expires)


def canonical_request(head: Head, claim: Claim, body_sha256: str) -> bytes:
    """The form of a request that both sides hash (IAM User Guide, "Create a signed AWS API request")."""
    values: dict[str, list[bytes]] = {}
    for name, value in head.headers:
        values.setdefault(name, []).append(b" ".join(value.encode("latin-1").split()))
    if ":authority" in claim.signed_headers:
        values.setdefault(":authority", values.get("host", []))  # one fact, named by HTTP/2 and by HTTP/1.1
    lines = [head.method.upper().encode(), _canonical_path(head.path), _canonical_query(head.query, claim)]
    lines += [name.encode() + b":" + b",".join(values[name]) for name in claim.signed_headers if name in values]
    lines += [b"", ";".join(claim.signed_headers).encode(), body_sha256.encode()]
    return b"\n".join(lines)


def _canonical_path(path: str) -> bytes:
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(segment)
    slash = "/" if kept and path.endswith("/") else ""
    # What arrived encoded is encoded once more, `%20` to `%2520`: only S3 does otherwise.
    return quote(f"/{'/'.join(kept)}{slash}".encode("latin-1"), safe="/").encode()


def _canonical_query(query: str, claim: Claim) -> bytes:
    pairs = [(_quoted(name), _quoted(value)) for name, value in parameters(query)]
    return "&".join(
        f"{name}={value}" for name, value in sorted(pairs) if not (claim.presigned and name == "X-Amz-Signature")
    ).encode()


@lru_cache(maxsize=256)
def _signing_key(secret_access_key: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret_access_key}".encode()
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


# ---- Words


def parameters(query: str) -> list[tuple[str, str]]:
    """The names and values of a query, unescaped; here `+` is a plus, as both sides of a signature read it."""
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(_unescaped(name), _unescaped(value)) for name, _, value in pairs]


def _unescaped(text: str) -> str:
    if broken := re.search(r"%(?![0-9A-Fa-f]{2})(..)?", text, re.DOTALL):
        if broken[1] is None:
            raise MalformedQueryString("Incomplete trailing escape % sequence")
        raise MalformedQueryString(f"Illegal hex character in escape % pattern: %{broken[1]}")
    return unquote_to_bytes(text.encode("latin-1")).decode("latin-1")


def _quoted(text: str) -> str:
    return quote(text.encode("latin-1"), safe="")


def _too_old(signed_at: datetime, now: datetime, oldest: timedelta) -> str:
    earliest = _basic(now - oldest)
    return f"Signature expired: {_basic(signed_at)} is now earlier than {earliest} ({_basic(now)} - {_span(oldest)})"


def _basic(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _span(time: timedelta) -> str:
    minutes, seconds = divmod(int(time.total_seconds()), 60)
    return f"{minutes * 60 + seconds} sec." if seconds else f"{minutes} min."


def _printable(text: str) -> str:
    """Keep a caller's bytes from breaking a line of the log or an XML document."""
    return "".join(character if character.isprintable() else "?" for character in text)
