"""Every choice of the operator: its flag, its variable, its default and what it means."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from holdfast.model import feed_sources, key_urls, object_stores
from holdfast.model.names import ACCOUNT_ID, REGION
from holdfast.model.profiles import Profile
from holdfast.model.quotas import ECR_RATES, QUOTAS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from holdfast.model.feed_sources import Source

KeysAt = key_urls.AwsKmsAt | key_urls.VaultAt | None
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class BadSetting(Exception):
    """A setting that cannot be followed; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to listen on."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Secret:
    """A text that no log or message shows."""

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class Choice:
    """One setting."""

    name: str
    default: str
    parse: Callable[[str], Any]
    help: str
    placeholder: str
    flag: bool = True  # secrets come from the environment only: a command line is for all to see
    switch: bool = False

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"HOLDFAST_{self.name.upper()}"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, read once."""

    data: Path
    listen: tuple[Listen, ...]
    tls: str
    tls_names: tuple[str, ...]
    insecure_http: bool
    database: str
    blobs: str
    seal: str
    blob_redirect: bool
    keys: KeysAt
    account: str
    region: str
    workers: int
    profile: Profile
    signature_window: int
    quotas: Mapping[str, int]
    throttle: Mapping[str, float]
    web_identity_rate: Mapping[str, float]
    lifecycle_interval: int
    keep_deleted: int
    scrub_rate: int
    gc: bool
    gc_quarantine: int
    gc_surprise: int
    scan_watch: int
    scanner: str
    scanner_registry: str
    scanner_beside: bool
    scanner_ca_file: Path | None
    adapter_ca_file: Path | None
    background: bool
    advisory_feeds: tuple[tuple[Source, str], ...]
    advisory_malware: bool
    upstream_allow: tuple[Network, ...]
    advisory_allow: tuple[Network, ...]
    advisory_ca_file: Path | None
    event_allow: tuple[Network, ...]
    event_ca_file: Path | None
    oidc_allow: tuple[Network, ...]
    oidc_ca_file: Path | None
    public_repositories: bool
    audit: bool
    audit_pull_sample: float
    audit_file_mib: int
    audit_days: int
    trusted_proxies: tuple[Network, ...]
    log_level: str
    root_access_key_id: str
    root_secret_access_key: Secret | None
    scanner_token: Secret | None
    adapter_token: Secret | None

    def __post_init__(self) -> None:
        for address in self.listen:
            if not address.is_loopback and self.tls == "off" and not self.insecure_http:
                raise BadSetting(
                    f"--listen {address} with --tls off would send passwords and images in the clear to a network: "
                    "use --tls auto or a folder with tls.crt and tls.key, or say --insecure-http if a proxy encrypts"
                )
        if self.seal == "store" and not self.has_remote_blobs:
            raise BadSetting("--seal store needs --blobs with an object store: files are sealed by nobody but Holdfast")
        if self.blob_redirect and self.seal != "store":
            raise BadSetting("--blob-redirect on needs --seal store: clients cannot open what Holdfast has sealed")
        if bool(self.root_access_key_id) != (self.root_secret_access_key is not None):
            raise BadSetting("HOLDFAST_ROOT_ACCESS_KEY_ID and HOLDFAST_ROOT_SECRET_ACCESS_KEY must be set together")

    @property
    def has_remote_blobs(self) -> bool:
        """Whether bytes are kept in an object store."""
        return bool(self.blobs) and not self.blobs.startswith("file:///")

    def encrypts(self, address: Listen) -> bool:
        """Whether an address is served by TLS."""
        if self.tls == "":
            return not (address.is_loopback or self.insecure_http)
        return self.tls != "off"


def _listen(text: str) -> tuple[Listen, ...]:
    addresses = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        host, _, port = part.rpartition(":")
        if not host or not port.isdecimal() or not 0 <= int(port) <= 65535:
            raise ValueError("it must be HOST:PORT, such as 127.0.0.1:5000 or [::1]:5000")
        addresses.append(Listen(host.strip("[]"), int(port)))
    if not addresses:
        raise ValueError("at least one HOST:PORT is needed")
    return tuple(addresses)


def _folder(text: str) -> Path:
    if not text:
        raise ValueError("it must name a folder")
    return Path(text)


def _tls(text: str) -> str:
    if text in {"", "auto", "off"}:
        return text
    missing = [name for name in ("tls.crt", "tls.key") if not (Path(text) / name).is_file()]
    if missing:
        raise ValueError(f"it must be auto, off or a folder with tls.crt and tls.key; {missing[0]} is missing there")
    return text


def _scheme(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text and not text.startswith(schemes):
            raise ValueError(f"this version knows {' and '.join(schemes)} only")
        return text

    return parse


def _blobs(text: str) -> str:
    if text and not text.startswith("file:///"):
        object_stores.parse(text)
    return text


def _match(pattern: re.Pattern[str], what: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"it must be {what}")
        return text

    return parse


def _number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"it must be a whole number from {low} to {high}")
        return int(text)

    return parse


def _share(text: str) -> float:
    if not re.fullmatch(r"0|1|[01]\.[0-9]{1,9}", text, re.ASCII) or float(text) > 1:
        raise ValueError("it must be a number from 0.0 to 1.0")
    return float(text)


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"it must be one of {', '.join(words)}")
        return text.lower()

    return parse


def _quotas(text: str) -> dict[str, int]:
    quotas = {}
    for name, number in _pairs(text):
        if name not in QUOTAS:
            raise ValueError(f"there is no quota '{name}'; there are {', '.join(QUOTAS)}")
        quotas[name] = _number(1, 2**40)(number)
    return quotas


def _throttle(text: str) -> Mapping[str, float]:
    if text in {"off", "ecr"}:
        return ECR_RATES if text == "ecr" else {}
    return _rates(text)


def _web_identity_rate(text: str) -> Mapping[str, float]:
    rates = {} if text == "off" else _rates(text)
    unknown = set(rates) - {"address", "provider"}
    if unknown:
        raise ValueError(f"there is no '{min(unknown)}'; there are address and provider, such as {WEB_IDENTITY_RATE}")
    return rates


def _rates(text: str) -> dict[str, float]:
    rates: dict[str, float] = {}
    for name, number in _pairs(text or "="):
        try:
            rates[name] = float(number)
        except ValueError:
            rates[name] = 0.0
        if not 0 < rates[name] < 1e9:
            raise ValueError(f"the rate of {name} must be a number of calls a second, such as PutImage=10")
    return rates


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = [part.strip().partition("=") for part in text.split(",") if part.strip()]
    if not all(name and found and value for name, found, value in pairs):
        raise ValueError("it must be NAME=NUMBER, or several of these with commas")
    return [(name.strip(), value.strip()) for name, _, value in pairs]


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError("it must be networks such as 10.0.0.0/8 or 2001:db8::/32, with commas") from None


def _advisory_feeds(text: str) -> tuple[tuple[Source, str], ...]:
    wanted = {}
    for name, _, url in (part.strip().partition("=") for part in text.split(",") if part.strip()):
        source = feed_sources.find(name)
        if source is None:
            raise ValueError(f"there is no source '{name}'; there are {feed_sources.shown()}")
        if not (url or source.url).startswith("https://"):
            raise ValueError(f"{name} needs an https address: {name}=https://…")
        wanted[name] = (source, url or source.url)
    return tuple(wanted.values())


def _web_url(text: str) -> str:
    if text and not WEB_URL.fullmatch(text):
        raise ValueError("it must be http://HOST or https://HOST, with a port or a path if need be, and no user")
    _ = urlsplit(text).port  # which raises if there is no such port
    return text.rstrip("/")


def _bearer(text: str) -> Secret | None:
    if not re.fullmatch(r"[!-~]*", text, re.ASCII):
        raise ValueError("it must be printable ASCII without spaces")
    return Secret(text) if text else None


def _ca_file(text: str) -> Path | None:
    if not text:
        return None
    try:
        ssl.create_default_context(cafile=text)
    except (OSError, ssl.SSLError) as fault:
        raise ValueError(f"it must be a file of certificates in PEM: {fault.strerror or fault}") from None
    return Path(text)


def _switch(text: str) -> bool:
    return _one_of("true", "false", "1", "0", "yes", "no")(text) in {"true", "1", "yes"}


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


WEB_URL = re.compile(
    r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]*)?", re.ASCII
)
USERINFO = re.compile(r"//[^/?#]*@")  # of a URL; it may hold a password
WEB_IDENTITY_RATE = "address=20,provider=100"
KEY_ID = re.compile(r"[A-Za-z0-9]{16,32}", re.ASCII)

CHOICES = (
    Choice("data", "./holdfast-data", _folder, "folder of everything this registry keeps", "DIR"),
    Choice("listen", "127.0.0.1:5000", _listen, "address to serve on; repeatable (the variable: with commas)",
           "HOST:PORT"),
    Choice("tls", "", _tls, "auto (own CA), off, or a folder with tls.crt and tls.key "
           "[off on loopback, auto elsewhere]", "auto|off|DIR"),
    Choice("tls_names", "", _names, "further host names for the certificate of --tls auto, with commas", "NAMES"),
    Choice("insecure_http", "false", _switch, "allow plain HTTP on addresses other than loopback", "", switch=True),
    Choice("database", "", _scheme("sqlite:///", "postgresql://"), "where facts are kept [SQLite inside DIR]", "URL"),
    Choice("blobs", "", _blobs, "where bytes are kept: file:///DIR, s3://BUCKET/PREFIX, gs://… or az://… "
           "[files inside DIR]", "URL"),
    Choice("seal", "holdfast", _one_of("holdfast", "store"), "who encrypts layers: holdfast, under its keys, or the "
           "object store", "holdfast|store"),
    Choice("blob_redirect", "off", lambda text: _one_of("on", "off")(text) == "on",
           "send clients to the object store for layers, by signed addresses; needs --seal store", "on|off"),
    Choice("keys", "local", key_urls.parse, "who keeps the key that wraps all others: local (a file inside DIR), "
           "aws-kms://KEY or vault://HOST/MOUNT/KEY", "local|URL"),
    Choice("account", "000000000000", _match(ACCOUNT_ID, "12 digits"), "default account", "ID"),
    Choice("region", "us-east-1", _match(REGION, "a region name"), "default region; every other is served too", "NAME"),
    Choice("workers", "0", _number(0, 256), "worker processes; 0 is one a processor", "N"),
    Choice("profile", "spec", lambda text: Profile(_one_of(*Profile)(text)),
           "registry protocol: spec (OCI to the letter) or ecr-strict (ECR's quirks)", "NAME"),
    Choice("signature_window", "900", _number(1, 86400), "seconds by which a signed request's clock may be off",
           "SECONDS"),
    Choice("quotas", "", _quotas, "quotas other than ECR's, with commas", "NAME=NUMBER"),
    Choice("throttle", "off", _throttle, "calls a second of an account in a region: off, ecr (its rates), or "
           "OPERATION=RATE with commas; * is every other operation", "off|ecr|…"),
    Choice("web_identity_rate", WEB_IDENTITY_RATE, _web_identity_rate, "calls a second of AssumeRoleWithWebIdentity, "
           "which needs no key: from one address, and with tokens of one provider of an account; or off",
           "address=N,provider=N|off"),
    Choice("lifecycle_interval", "3600", _number(1, 86400), "seconds between two evaluations of a lifecycle policy",
           "SECONDS"),
    Choice("keep_deleted", "7", _number(0, 3650), "days in which deleted images, tags and repositories can be "
           "restored; 0 keeps none", "DAYS"),
    Choice("scrub_rate", "8", _number(0, 1_000_000), "MiB a second that are read in the background to verify what is "
           "kept; 0 is never", "N"),
    Choice("gc", "on", lambda text: _one_of("on", "off")(text) == "on", "delete bytes that no image needs", "on|off"),
    Choice("gc_quarantine", "7", _number(1, 3650), "days between taking a layer for garbage and deleting its bytes",
           "DAYS"),
    Choice("gc_surprise", "50", _number(1, 100), "percent of all layers that may go at once without being confirmed",
           "PERCENT"),
    Choice("scan_watch", "14", _number(0, 3650), "days after its last push or pull in which an image is scanned "
           "continuously, where enhanced scanning is on; 0 is for ever", "DAYS"),
    Choice("scanner", "", _web_url, "adapter of Harbor's scanner API that looks for vulnerabilities in place of our "
           "own engine; a private address is allowed by this", "URL"),
    Choice("scanner_registry", "", _web_url, "address of this registry as that scanner reaches it", "URL"),
    Choice("scanner_beside", "off", lambda text: _one_of("on", "off")(text) == "on",
           "let our own engine look as well, and show what both find", "on|off"),
    Choice("scanner_ca_file", "", _ca_file, "certificates of private CAs that vouch for that scanner", "FILE"),
    Choice("adapter_ca_file", "", _ca_file, "certificates of private CAs that vouch for a Harbor whose images we scan",
           "FILE"),
    Choice("background", "on", lambda text: _one_of("on", "off")(text) == "on",
           "do background work while serving; off leaves it to `holdfast worker`", "on|off"),
    Choice("public_repositories", "off", lambda text: _one_of("on", "off")(text) == "on",
           "let repository policies admit clients without a login", "on|off"),
    Choice("audit", "on", lambda text: _one_of("on", "off")(text) == "on",
           "keep a log of every call in DIR/audit", "on|off"),
    Choice("audit_pull_sample", "1.0", _share, "share of pulls in the audit log, from 0.0 to 1.0; refused ones "
           "always are", "SHARE"),
    Choice("audit_file_mib", "64", _number(1, 10_000), "size of a file of the audit log, in MiB, after which the next "
           "one is begun", "N"),
    Choice("audit_days", "90", _number(1, 36_500), "days after which files of the audit log are removed", "N"),
    Choice("trusted_proxies", "", _networks, "networks of proxies whose X-Forwarded-For and -Proto are believed, "
           "with commas", "NETWORKS"),
    Choice("advisory_feeds", "", _advisory_feeds, "sources of advisories that `holdfast advisories pull` fetches, with "
           "commas, such as debian,osv/npm,kev; NAME=URL fetches it from a mirror [none]", "NAMES"),
    Choice("advisory_malware", "off", lambda text: _one_of("on", "off")(text) == "on",
           "import what OSV tells of malicious packages as well", "on|off"),
    Choice("upstream_allow", "", _networks, "networks beside the public internet in which other registries may be, "
           "with commas; plain HTTP is spoken in these only", "NETWORKS"),
    Choice("advisory_allow", "", _networks, "networks beside the public internet in which mirrors of advisories may "
           "be, with commas", "NETWORKS"),
    Choice("advisory_ca_file", "", _ca_file, "certificates of private CAs that vouch for mirrors of advisories",
           "FILE"),
    Choice("event_allow", "", _networks, "networks beside the public internet in which targets of events may be, also "
           "by plain HTTP, with commas", "NETWORKS"),
    Choice("event_ca_file", "", _ca_file, "certificates of private CAs that vouch for targets of events", "FILE"),
    Choice("oidc_allow", "", _networks, "networks beside the public internet in which identity providers may be, "
           "with commas", "NETWORKS"),
    Choice("oidc_ca_file", "", _ca_file, "certificates of private CAs that vouch for identity providers", "FILE"),
    Choice("log_level", "info", _one_of("debug", "info", "warning", "error"), "how much is logged", "LEVEL"),
    Choice("root_access_key_id", "", lambda text: _match(KEY_ID, "16 to 32 letters and digits")(text) if text else "",
           "root access key to use instead of a generated one", "ID", flag=False),
    Choice("root_secret_access_key", "", lambda text: Secret(text) if text else None,
           "its secret", "SECRET", flag=False),
    Choice("scanner_token", "", _bearer, "bearer token for --scanner", "SECRET", flag=False),
    Choice("adapter_token", "", _bearer, "lets a Harbor that sends it, as a token or as a password, ask us to scan its "
           "images; without it nobody may", "SECRET", flag=False),
)  # fmt: skip


def read(flags: Mapping[str, str | None], environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from flags, else from the environment, else the defaults. Raises `BadSetting`."""
    known = {choice.variable for choice in CHOICES}
    for name in environment:
        if name.startswith("HOLDFAST_") and name not in known:
            raise BadSetting(
                f"{name} is not a setting. `holdfast serve --help` lists them; unset it or correct its name"
            )
    values: dict[str, Any] = {}
    for choice in CHOICES:
        flag = flags.get(choice.name)
        text = flag if flag is not None else environment.get(choice.variable, choice.default)
        source = f"--{choice.name.replace('_', '-')}" if flag is not None else choice.variable
        try:
            values[choice.name] = choice.parse(text)
        except ValueError as fault:
            shown = "" if not choice.flag else f" {USERINFO.sub('//…@', text)!r}"
            raise BadSetting(f"{source}{shown}: {fault}") from None
    return Settings(**values)
