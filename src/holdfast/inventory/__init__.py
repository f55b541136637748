"""What images hold: layers are read in a process of their own, within bounds, and nothing is ever unpacked to disk."""

from holdfast.inventory.child import ChildDied, LayerReader, LayerRefused
from holdfast.inventory.limits import Limits
from holdfast.inventory.replies import READER

__all__ = ["READER", "ChildDied", "LayerReader", "LayerRefused", "Limits"]
