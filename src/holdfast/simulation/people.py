"""Clients that push, pull, retag and delete, as chance has it; each request counts as one step of the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.model.images import ImageId
from holdfast.simulation import errands
from holdfast.simulation.things import BLOBS, REMOTE_THINGS, REPOSITORIES, TAGS, THINGS, name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.simulation.client import Client, Reply
    from holdfast.simulation.things import Thing

ATTEMPTS = 3  # of a client to go on with an upload


@dataclass(slots=True)
class Unfinished:
    """An upload that somebody began and left."""

    repository: str
    path: str
    digest: str


class Crowd:
    """What clients share: how many steps are left, and uploads that were left behind."""

    def __init__(self, steps: int) -> None:
        self.steps_left = steps
        self.unfinished: list[Unfinished] = []


class Person:
    """One client and its habits."""

    def __init__(self, client: Client, crowd: Crowd) -> None:
        self._client = client
        self._crowd = crowd
        self._chance = client.chance
        habits: list[tuple[Callable[[], None], int]] = [
            (self._push, 30),
            (self._retag, 10),
            (self._pull, 15),
            (self._look, 8),
            (self._delete_images, 12),
            (self._delete_blob, 6),
            (self._resume, 8),
            (self._mount, 5),
            (self._set_policy, 3),
            (self._remake_repository, 3),
            (self._restore, 6),
            (self._set_access, 4),
            (self._come_in, 6),
            (self._hold, 5),
        ]
        if client.machine.is_cached:
            habits.append((self._pull_through, 60))
        self._habits = [habit for habit, _ in habits]
        self._weights = [weight * self._chance.choice([0, 1, 1, 3]) + 0.1 for _, weight in habits]

    def live(self) -> None:
        """Do this and that until the steps are used up."""
        while self._crowd.steps_left > 0:
            [habit] = self._chance.choices(self._habits, self._weights)
            habit()

    def push(self, repository: str, thing: Thing, tags: list[str]) -> None:
        """Push an image with all that it needs."""
        for digest in thing.blobs:
            if not (self._often(0.7) and errands.blobs.stat(self._step(), repository, digest)):
                self._upload(repository, digest)
        for digest in thing.children:
            self.push(repository, THINGS[digest], [])
        reply = errands.images.put(self._step(), repository, thing, tags)
        if not reply.is_known and self._often(0.7):
            errands.images.put(self._step(), repository, thing, tags)

    def _step(self) -> Client:
        self._crowd.steps_left -= 1
        return self._client

    def _repository(self) -> str:
        return self._chance.choice(list(REPOSITORIES))

    def _thing(self) -> Thing:
        return self._chance.choice(list(THINGS.values()))

    def _often(self, share: float) -> bool:
        return self._chance.random() < share

    # ---- Habits

    def _push(self) -> None:
        self.push(self._repository(), self._thing(), self._tags())

    def _tags(self) -> list[str]:
        return self._chance.choice([[], ["v1"], ["v1"], ["v2"], ["v1", "v2"]])

    def _retag(self) -> None:
        repository = self._repository()
        thing = errands.images.get(self._step(), repository, self._chance.choice(TAGS))
        if thing is not None or self._often(0.5):
            errands.images.put(self._step(), repository, thing or self._thing(), self._tags())

    def _pull(self) -> None:
        repository = self._repository()
        reference = self._chance.choice([*TAGS, *TAGS, self._thing().digest])
        thing = errands.images.get(self._step(), repository, reference)
        if thing is not None:
            for digest in thing.children:
                errands.images.get(self._step(), repository, digest)
            for digest in thing.blobs:
                errands.blobs.get(self._step(), repository, digest)

    def _pull_through(self) -> None:
        if self._often(0.1):
            errands.cached.evict(self._step())
        thing = errands.cached.pull(self._step(), self._chance.choice([*TAGS, *TAGS, *REMOTE_THINGS]))
        if thing is not None:
            for digest in thing.children:
                errands.cached.pull(self._step(), digest)
            for digest in thing.blobs:
                errands.cached.pull_blob(self._step(), digest)

    def _look(self) -> None:
        if self._often(0.5):
            errands.images.list_tags(self._step(), self._repository())
        else:
            errands.images.list_referrers(self._step(), self._repository(), self._thing().digest)

    def _delete_images(self) -> None:
        repository, tag, digest = self._repository(), self._chance.choice(TAGS), self._thing().digest
        match self._chance.randrange(5):
            case 0:
                errands.images.delete_tag(self._step(), repository, tag)
            case 1:
                errands.images.delete(self._step(), repository, digest)
            case 2:
                errands.images.batch_delete(self._step(), repository, ImageId(tag=tag))
            case 3:
                errands.images.batch_delete(self._step(), repository, ImageId(digest))
            case _:
                errands.images.batch_delete(self._step(), repository, ImageId(digest, tag))

    def _delete_blob(self) -> None:
        errands.blobs.delete(self._step(), self._repository(), self._chance.choice(list(BLOBS)))

    def _set_policy(self) -> None:
        act = errands.repositories.put_policy if self._often(0.7) else errands.repositories.delete_policy
        act(self._step(), self._repository())

    def _remake_repository(self) -> None:
        repository = self._repository()
        errands.repositories.delete(self._step(), repository, force=self._often(0.7))
        errand = errands.repositories.create if self._often(0.5) else errands.repositories.restore
        errand(self._step(), repository)

    def _restore(self) -> None:
        repository = self._repository()
        match self._chance.randrange(4):
            case 0:
                errands.repositories.restore(self._step(), repository)
            case 1:
                errands.images.restore_tag(self._step(), repository, self._chance.choice(TAGS))
            case _:
                errands.images.restore(self._step(), repository, self._thing().digest)

    def _set_access(self) -> None:
        match self._chance.randrange(6):
            case 0:
                errands.access.set_key_active(self._step(), is_active=False)
            case 1:
                errands.access.set_key_active(self._step(), is_active=True)
            case 2 | 3:
                errands.access.keep_out(self._step(), self._repository())
            case _:
                errands.access.let_in(self._step(), self._repository())

    def _come_in(self) -> None:
        errands.access.come_in(self._step(), self._repository())

    def _hold(self) -> None:
        if self._often(0.7):
            errands.leases.put(self._step(), self._repository(), self._thing().digest, self._chance.randint(1, 60))
        else:
            errands.leases.release(self._step(), self._repository())

    def _mount(self) -> None:
        repository, source = self._chance.sample(list(REPOSITORIES), 2)
        digest = self._chance.choice(list(BLOBS))
        reply = errands.blobs.mount(self._step(), repository, source, digest)
        if reply.status == 202:
            self._go_on(Unfinished(repository, reply.header("location"), digest))

    def _resume(self) -> None:
        if self._crowd.unfinished:
            unfinished = self._crowd.unfinished
            self._go_on(unfinished.pop(self._chance.randrange(len(unfinished))))

    # ---- Uploads

    def _upload(self, repository: str, digest: str) -> None:
        path = f"/v2/{repository}/blobs/uploads/"
        if self._often(0.3):
            pieces = self._pieces(BLOBS[digest])
            what = f"upload {name_of(digest)} to {repository} at once"
            hangs_up = self._often(0.1)
            deed, reply = self._step().ask(what, "POST", path, f"digest={digest}", pieces, hangs_up=hangs_up)
            errands.blobs.finish(deed, reply, repository, digest)
            return
        _, reply = self._step().ask(f"begin to upload {name_of(digest)} to {repository}", "POST", path)
        if reply.status == 202:
            self._go_on(Unfinished(repository, reply.header("location"), digest))

    def _go_on(self, upload: Unfinished) -> None:
        """Send what an upload lacks, in one request or in several; ask where it stands after each surprise."""
        sent: int | None = None if self._often(0.1) else 0
        for _ in range(ATTEMPTS):
            if sent is None:
                sent = self._ask_where(upload)
            if sent is None:
                break
            rest = BLOBS[upload.digest][sent:]
            if rest and self._often(0.6):
                sent = self._append(upload, sent, rest[: self._chance.choice([len(rest), 1 + len(rest) // 2])])
            elif self._often(0.05):
                self._step().ask(f"cancel the upload of {name_of(upload.digest)}", "DELETE", upload.path)
                return
            elif any(self._complete(upload, rest).is_known for _ in range(self._chance.randint(1, 2))):
                return
            else:
                sent = None
        if self._often(0.8):
            self._crowd.unfinished.append(upload)

    def _ask_where(self, upload: Unfinished) -> int | None:
        _, reply = self._step().ask(f"ask how far {name_of(upload.digest)} is", "GET", upload.path)
        if reply.status != 204:
            return None
        last = int(reply.header("range").partition("-")[2])
        return last + 1 if last else 0

    def _append(self, upload: Unfinished, sent: int, data: bytes) -> int | None:
        span = [("content-range", f"{sent}-{sent + len(data) - 1}")] if self._often(0.5) else []
        what = f"append {len(data)} bytes to {name_of(upload.digest)} at {sent}"
        hangs_up = self._often(0.1)
        _, reply = self._step().ask(what, "PATCH", upload.path, "", self._pieces(data), headers=span, hangs_up=hangs_up)
        return sent + len(data) if reply.status == 202 else None

    def _complete(self, upload: Unfinished, rest: bytes) -> Reply:
        what = f"complete {name_of(upload.digest)} in {upload.repository} with {len(rest)} bytes"
        digest = upload.digest if self._often(0.95) else self._chance.choice(list(BLOBS))
        deed, reply = self._step().ask(what, "PUT", upload.path, f"digest={digest}", self._pieces(rest))
        errands.blobs.finish(deed, reply, upload.repository, digest)
        return reply

    def _pieces(self, data: bytes) -> list[bytes]:
        cut = self._chance.randint(0, len(data))
        return [piece for piece in (data[:cut], data[cut:]) if piece]
