"""The door for a Harbor that asks us to scan its images (scanner adapter API 1.2); shut unless a token is set."""

from holdfast.harbor.door import PREFIX, Door

__all__ = ["PREFIX", "Door"]
