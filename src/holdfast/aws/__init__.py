"""The front door for AWS SDKs, driven by Amazon's own description of each service."""

from holdfast.aws.door import Door, read_descriptions

__all__ = ["Door", "read_descriptions"]
