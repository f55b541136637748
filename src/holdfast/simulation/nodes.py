"""A process of the registry in the simulation: its own memory, on the machine's database and disk."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from holdfast import oci, registry
from holdfast.blobs import KeyFile, SealedStore
from holdfast.model.work import Lane
from holdfast.outbound import Fetcher
from holdfast.registry import Backends
from holdfast.simulation import errands
from holdfast.simulation.facts import SimulatedDatabase
from holdfast.simulation.upstream import SimulatedUpstreams
from holdfast.worker import Runner
from holdfast.worker.handlers import HANDLERS

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.registry.work import Job
    from holdfast.simulation.machine import Machine
    from holdfast.worker.handlers import Handler

LIMITS = replace(
    registry.Limits(),
    token_lifetime=timedelta(days=10_000),  # logins are not what is tried here
    deleted_lifetime=timedelta(days=2),  # so that what was deleted goes for good before the end
    quarantine=timedelta(days=2),
    scrub_interval=timedelta(hours=12),
)


@cache
def _fetcher() -> Fetcher:
    """Fetches nothing here; reading the system's certificates takes longer than all the rest of a boot."""
    return Fetcher()


class Node:
    """One process; killed and begun anew it has forgotten everything."""

    def __init__(self, machine: Machine, name: str) -> None:
        self.name = name
        self.is_up = False
        self._boots = 0
        self._machine = machine
        self.on: Backends
        self.door: oci.Door
        self.runners: list[Runner] = []
        self._database: SimulatedDatabase | None = None

    def boot(self) -> None:
        """Begin."""
        machine = self._machine
        self._boots += 1
        self._database = SimulatedDatabase(machine, machine.database_path)
        self.on = Backends(
            self._database,
            SealedStore(machine.blob_store()),
            registry.keys.Keys(self._database, KeyFile(machine.key_file)),
            machine.clock,
            new_id=machine.new_id,
            random_bytes=machine.chance.randbytes,
            monotonic=machine.monotonic,
            sleep=machine.sleep,
            fetcher=_fetcher(),
            upstreams=SimulatedUpstreams(machine, f"{self.name} {self._boots}"),
            limits=LIMITS,
        )
        self.door = oci.Door(self.on, registry.accounts.Tokens(self.on))
        handlers = {kind: self._watched(kind, handler) for kind, handler in HANDLERS.items()}
        self.runners = [
            Runner(self.on, handlers, lambda _job: nullcontext(), lane=lane)
            for lane in (Lane.PROMPT, Lane.DELIVERY, Lane.PATIENT, Lane.ABROAD)
        ]
        self.is_up = True

    def bury(self) -> None:
        """Close what a process that is gone had open."""
        if self._database is not None and not self.is_up:
            self._database.close()
            self._database = None

    def _watched(self, kind: str, handler: Handler) -> Handler:
        """A handler whose runs are part of the history."""

        def run(on: Backends, job: Job) -> datetime | None:
            with self._machine.history.deed(self.name, f"{kind} {job.item.key}") as deed:
                errands.mark_background(deed, kind, job.item.payload)
                again_at = handler(on, job)
                deed.outcome = "done"
            return again_at

        return run
