"""The front door for AWS SDKs, driven by Amazon's own description of each service."""

from holdfast.aws.door import Door

__all__ = ["Door"]
