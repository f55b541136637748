"""The back door: work that nobody waits for."""

from holdfast.worker.crew import Crew
from holdfast.worker.runner import Runner

__all__ = ["Crew", "Runner"]
