"""The back door: work that nobody waits for."""

from holdfast.worker.deliverers import Deliverers
from holdfast.worker.runner import Runner

__all__ = ["Deliverers", "Runner"]
