"""EventBridge, SNS and SQS of Amazon, or of anything that speaks their APIs.

botocore words and signs the calls; they are made as all posts are, so that no endpoint leads where nothing may go.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from holdfast.outbound.fetch import Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.outbound.posting import Poster

PASSING = {"InternalFailure", "ThrottlingException"}  # of an entry: it may be taken the next time
REMEMBERED = 128  # clients; making one takes a tenth of a second
CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 1}, user_agent_extra="holdfast", proxies={})


class Credentials(NamedTuple):
    """With what an API is called; an empty key stands for whatever the process has."""

    key_id: str = ""
    secret: str = ""
    token: str = ""


class Api(NamedTuple):
    """Which API is called, and where."""

    service: str
    region: str
    endpoint: str | None
    credentials: Credentials


class Said(NamedTuple):
    """What was said of one entry: nothing if it was taken."""

    code: str = ""
    message: str = ""
    is_refused: bool = False


class AwsEvents:
    """Calls these APIs; one a process."""

    def __init__(self, poster: Poster) -> None:
        self._poster = poster
        self._lock = threading.Lock()
        self._clients: OrderedDict[Api, Any] = OrderedDict()

    def put_events(self, api: Api, entries: Sequence[dict[str, Any]]) -> list[Said]:
        """Put events on a bus; what was said of each. Raises `Unreachable`."""
        told = self._call(api, "put_events", Entries=entries)
        return [_of_entry(one.get("ErrorCode", ""), one.get("ErrorMessage", "")) for one in told["Entries"]]

    def publish(self, api: Api, topic_arn: str, entries: Sequence[dict[str, Any]]) -> list[Said]:
        """Publish to a topic; what was said of each entry. Raises `Unreachable`."""
        told = self._call(api, "publish_batch", TopicArn=topic_arn, PublishBatchRequestEntries=entries)
        return _by_id(told, len(entries))

    def send(self, api: Api, queue_url: str, entries: Sequence[dict[str, Any]]) -> list[Said]:
        """Send to a queue; what was said of each entry. Raises `Unreachable`."""
        told = self._call(api, "send_message_batch", QueueUrl=queue_url, Entries=entries)
        return _by_id(told, len(entries))

    def _call(self, api: Api, operation: str, **members: Any) -> Any:
        client = self._client(api)
        try:
            return getattr(client, operation)(**members)
        except ClientError as fault:
            raise Unreachable(str(fault)) from None
        except BotoCoreError as fault:
            raise Unreachable(str(fault)) from None

    def _client(self, api: Api) -> Any:
        with self._lock:
            client = self._clients.get(api)
            if client is None:
                client = self._clients[api] = self._made(api)
                while len(self._clients) > REMEMBERED:
                    self._clients.popitem(last=False)
            self._clients.move_to_end(api)
            return client

    def _made(self, api: Api) -> Any:
        given = api.credentials
        keys = {
            "aws_access_key_id": given.key_id, "aws_secret_access_key": given.secret,
            "aws_session_token": given.token or None,
        } if given.key_id else {}  # fmt: skip
        client = botocore.session.Session().create_client(
            api.service, region_name=api.region, endpoint_url=api.endpoint, config=CONFIG, **keys
        )
        client.meta.events.register("before-send.*", self._post)
        return client

    def _post(self, request: Any, **_: Any) -> AWSResponse:
        """Make a call that botocore worded and signed."""
        body = request.body.encode() if isinstance(request.body, str) else bytes(request.body or b"")
        headers = {
            name: value.decode() if isinstance(value, bytes) else str(value) for name, value in request.headers.items()
        }
        line = self._poster.line()
        try:
            heard = line.post(request.url, headers, body, request.method)
        finally:
            line.close()
        return AWSResponse(request.url, heard.status, dict(heard.headers), _Raw(heard.body))


class _Raw:
    """A body as botocore reads it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:
        """All of it."""
        yield self._body


def _of_entry(code: str, message: str) -> Said:
    return Said(code, message, is_refused=bool(code) and code not in PASSING)


def _by_id(told: Any, count: int) -> list[Said]:
    found = [Said()] * count
    for one in told.get("Failed", ()):
        found[int(one["Id"])] = Said(one["Code"], one.get("Message", ""), bool(one.get("SenderFault")))
    return found
