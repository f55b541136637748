"""What the doors share: the server, its requests and answers, streamed bodies, certificates and metrics."""

from holdfast.http.messages import Answer, Application, Body, ReadBody, Receive, Request, Response, Sink, Stream

__all__ = [
    "Answer",
    "Application",
    "Body",
    "ReadBody",
    "Receive",
    "Request",
    "Response",
    "Sink",
    "Stream",
]
