"""What clients do, one request each, and what its answer proves."""

from holdfast.simulation.errands import blobs, images, repositories
from holdfast.simulation.errands.marks import mark_background

__all__ = ["blobs", "images", "mark_background", "repositories"]
