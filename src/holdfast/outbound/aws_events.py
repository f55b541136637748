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
from botocore.parsers import ResponseParserError

from holdfast.outbound.fetch import Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.outbound.posting import Line

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

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calling = threading.local()  # the line of this thread's call: botocore hands nothing through
        self._clients: OrderedDict[Api, Any] = OrderedDict()

    def put_events(self, api: Api, entries: Sequence[dict[str, Any]], line: Line) -> list[Said]:
        """Put events on a bus; what was said of each. Raises `Unreachable`."""
        found = self._call(api, line, "put_events", Entries=entries).get("Entries", ())
        if len(found) != len(entries):
            raise Unreachable(f"{api.service} tells of {len(found)} entries, and got {len(entries)}")
        return [_of_entry(one.get("ErrorCode", ""), one.get("ErrorMessage", "")) for one in found]

    def publish(self, api: Api, topic_arn: str, entries: Sequence[dict[str, Any]], line: Line) -> list[Said]:
        """Publish to a topic; what was said of each entry. Raises `Unreachable`."""
        told = self._call(api, line, "publish_batch", TopicArn=topic_arn, PublishBatchRequestEntries=entries)
        return _by_id(api, told, len(entries))

    def send(self, api: Api, queue_url: str, entries: Sequence[dict[str, Any]], line: Line) -> list[Said]:
        """Send to a queue; what was said of each entry. Raises `Unreachable`."""
        told = self._call(api, line, "send_message_batch", QueueUrl=queue_url, Entries=entries)
        return _by_id(api, told, len(entries))

    def _call(self, api: Api, line: Line, operation: str, **members: Any) -> Any:
        client = self._client(api)
        self._calling.line = line
        try:
            return getattr(client, operation)(**members)
        except (BotoCoreError, ClientError, ResponseParserError) as fault:
            raise Unreachable(str(fault)) from None
        finally:
            del self._calling.line

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
        line: Line = self._calling.line
        heard = line.post(request.url, headers, body, request.method)
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


def _by_id(api: Api, told: Any, count: int) -> list[Said]:
    """What was said of each entry by its number; of all of them, for what nobody speaks of was not taken."""
    found = {one.get("Id"): Said() for one in told.get("Successful", ())}
    for one in told.get("Failed", ()):
        code = one.get("Code") or "Failed"
        found[one.get("Id")] = Said(code, one.get("Message", ""), bool(one.get("SenderFault")))
    missing = [number for number in map(str, range(count)) if number not in found]
    if missing:
        raise Unreachable(f"{api.service} tells nothing of {len(missing)} of {count} entries")
    return [found[str(number)] for number in range(count)]
