"""A request and what has become of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.http.messages import Request
    from holdfast.http.transfer import Feed


class Exchange:
    """A request and what has become of it."""

    __slots__ = ("expects_continue", "feed", "head_only", "keep_alive", "request")

    def __init__(self, request: Request, feed: Feed | None, *, keep_alive: bool) -> None:
        self.request = request
        self.feed = feed  # None if the request has no body
        self.keep_alive = keep_alive
        self.head_only = request.method == "HEAD"
        self.expects_continue = (request.header("expect") or "").lower() == "100-continue"
