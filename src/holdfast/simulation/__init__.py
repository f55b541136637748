"""The whole registry below the HTTP floor in one thread at a time, with bad luck on command and a judge.

people ── requests ──►  front door, registry, store   (the product as it is, several processes)
  │                        │            │
  │                  simulated disk   real SQLite, whose flushes can be undone
  │                        └── chance ──┘   faults · deaths · power cuts · time
  └── what they were told ──► the judge: could it have happened so?
"""

from holdfast.simulation.run import Outcome, run, shortened

__all__ = ["Outcome", "run", "shortened"]
