"""The back door: work that nobody waits for."""

from holdfast.worker.timetable import Timetable

__all__ = ["Timetable"]
