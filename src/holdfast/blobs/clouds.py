"""How each cloud's store is opened: address, credentials, patience."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obstore.store import AzureStore, GCSStore, S3Store

from holdfast.blobs.interface import StoreUnavailable

if TYPE_CHECKING:
    from obstore.store import AzureConfig, ClientConfig, GCSConfig, RetryConfig, S3Config, S3Credential

    from holdfast.model.object_stores import Place

TIMEOUT_SECONDS = 15  # of one request that reads
SLOWEST_BYTES = 512 * 1024  # a second, of one part that is written


def open_store(place: Place, body_bytes: int = 0) -> Any:
    """A handle of the library for requests that carry as many bytes. Raises `StoreUnavailable`."""
    patience = timedelta(seconds=int(place.options.get("timeout", TIMEOUT_SECONDS)))
    client: ClientConfig = {
        "timeout": patience + timedelta(seconds=body_bytes // SLOWEST_BYTES),
        "connect_timeout": min(patience, timedelta(seconds=5)),
        "allow_http": place.options.get("endpoint", "").startswith("http://"),
        "user_agent": "holdfast",
    }
    retry: RetryConfig = {
        "max_retries": 10,
        "retry_timeout": 2 * patience,  # so a request that hangs is tried again, and after the third all is over
        "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=3), "base": 2},
    }
    return _OPEN[place.scheme](place, client, retry)


def _s3(place: Place, client: ClientConfig, retry: RetryConfig) -> S3Store:
    credentials = _AwsCredentials(place.options.get("profile"))
    region = place.options.get("region") or credentials.region
    bundle = os.environ.get("AWS_CA_BUNDLE")
    if bundle:
        client["root_certificate"] = Path(bundle).read_bytes()
    # All of it is said: the library would else take variables that are meant for clients of this registry.
    config: S3Config = {
        "region": region,
        "endpoint": _s3_endpoint(place, region),
        "virtual_hosted_style_request": _is_virtual(place),
        "disable_bulk_delete": True,  # some stores do not have it
        "skip_signature": False,
    }
    if place.options.get("checksum", "sha256") != "none":
        config["checksum_algorithm"] = "sha256"  # one digest serves this and the signature
    if place.options.get("sse", "none") != "none":
        config["server_side_encryption"] = place.options["sse"]
    if "sse_key" in place.options:
        config["sse_kms_key_id"] = place.options["sse_key"]
    return S3Store(
        place.bucket,
        prefix=place.prefix or None,
        config=config,
        client_options=client,
        retry_config=retry,
        credential_provider=credentials,
    )


def _is_virtual(place: Place) -> bool:
    """Whether the bucket is part of the host name, as Amazon wants it; a dot in it would break the certificate."""
    usual = "virtual" if "endpoint" not in place.options and "." not in place.bucket else "path"
    return place.options.get("addressing", usual) == "virtual"


def _s3_endpoint(place: Place, region: str) -> str:
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    endpoint = place.options.get("endpoint", f"https://s3.{region}.{domain}").rstrip("/")
    if not _is_virtual(place):
        return endpoint
    scheme, _, host = endpoint.partition("://")
    return f"{scheme}://{place.bucket}.{host}"


class _AwsCredentials:
    """Amazon's usual chain: variables, profiles, web identity, containers, instances. Asked again before they end."""

    LIFETIME = timedelta(minutes=6)  # of what the library remembers: it asks when fewer than 5 are left

    def __init__(self, profile: str | None) -> None:
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session

        try:
            session = Session(profile=profile)
            self._credentials = session.get_credentials()
            self.region = os.environ.get("AWS_REGION") or session.get_config_variable("region") or "us-east-1"
        except BotoCoreError as fault:
            raise StoreUnavailable(str(fault)) from None
        if self._credentials is None:
            raise StoreUnavailable(
                "no AWS credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "name a profile with &profile=, or run where a role is attached"
            )

    def __call__(self) -> S3Credential:
        frozen = self._credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + self.LIFETIME,
        }


def _gcs(place: Place, client: ClientConfig, retry: RetryConfig) -> GCSStore:
    config: GCSConfig = {"base_url": place.options["endpoint"]} if "endpoint" in place.options else {}
    return GCSStore(place.bucket, prefix=place.prefix or None, config=config, client_options=client, retry_config=retry)


def _azure(place: Place, client: ClientConfig, retry: RetryConfig) -> AzureStore:
    config: AzureConfig = {}
    if "account" in place.options:
        config["account_name"] = place.options["account"]
    if "endpoint" in place.options:
        config["endpoint"] = place.options["endpoint"]
    return AzureStore(
        place.bucket, prefix=place.prefix or None, config=config, client_options=client, retry_config=retry
    )


_OPEN = {"s3": _s3, "gs": _gcs, "az": _azure}
