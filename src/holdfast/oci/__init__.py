"""The front door for docker and its friends: OCI distribution-spec 1.1, or Amazon ECR's reading of it."""

from holdfast.oci.door import Door

__all__ = ["Door"]
