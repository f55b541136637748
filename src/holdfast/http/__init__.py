"""What the doors share: the server, its requests and answers, streamed bodies, certificates and metrics."""

from holdfast.http.messages import (
    Answer,
    Application,
    Body,
    Follow,
    Later,
    ReadBody,
    Receive,
    Request,
    Response,
    Sink,
    Source,
    Stream,
)

__all__ = [
    "Answer",
    "Application",
    "Body",
    "Follow",
    "Later",
    "ReadBody",
    "Receive",
    "Request",
    "Response",
    "Sink",
    "Source",
    "Stream",
]
