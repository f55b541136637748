"""The back door: work that nobody waits for."""

from holdfast.worker.runner import Runner

__all__ = ["Runner"]
