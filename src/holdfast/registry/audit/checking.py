"""Whether the log still says what was written: every chain is walked from its first line to its last."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import audit_chain
from holdfast.model.audit_chain import FileName, Head, Link
from holdfast.registry.audit import keys
from holdfast.store import audit_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from holdfast.model.audit_chain import Ending, Opening
    from holdfast.registry.backends import Backends

CLOSED = b'{"audit":{"event":"closed"'


@dataclass(frozen=True, slots=True)
class Checked:
    """One file after the check: what is wrong with it, or what else there is to know."""

    file: str
    lines: int
    fault: str | None = None
    remark: str | None = None


@dataclass(slots=True)
class _Evidence:
    """What the first lines of all files say about each other, and the database of the chains in this folder."""

    claims: dict[str, dict[int, tuple[str, str]]] = field(default_factory=lambda: defaultdict(dict))
    forgotten: dict[str, Head] = field(default_factory=dict)

    def add(self, opening: Opening) -> None:
        self.add_claims(opening.witnessed, f"when {opening.file} was begun")
        for ending in opening.forgotten:
            self.forgotten[ending.file] = ending.head

    def add_claims(self, endings: Iterable[Ending], when: str) -> None:
        for ending in endings:
            self.claims[ending.file].setdefault(ending.sequence, (ending.digest, when))


def verify(on: Backends, since: datetime | None = None) -> Iterator[Checked]:
    """Check the files of the log, or those that were written since an instant, and that none is missing."""
    folder = on.audit.folder
    if folder is None:
        return
    folder_id = audit_files.find_id(folder)
    with on.database.snapshot() as tx:  # before the files are looked at: it never knows of more than there is
        known_heads = store.audit_heads.of_folder(tx, folder_id or "")
    names, evidence = _look(folder)
    evidence.add_claims(known_heads, "when the database was told of it")
    check = _Check(folder, folder_id, keys.known(on), evidence)
    chains: dict[str, list[FileName]] = defaultdict(list)
    for name in names:
        if audit_files.was_written_since(folder, name, since):
            chains[name.chain].append(name)
    for chain in chains.values():
        yield from check.chain(chain, is_whole=since is None)
    there = {str(name) for name in names}
    # Of a chain that is there, what is missing at its beginning or between is told already.
    known = {name.chain for name in names}
    for text, claims in evidence.claims.items():
        claimed = audit_chain.file_name(text)
        if text in there or text in evidence.forgotten or claimed is None:
            continue
        if claimed.chain not in known or claimed.number > max(n.number for n in names if n.chain == claimed.chain):
            [(_, when), *_] = claims.values()
            yield Checked(text, 0, f"is missing: it was there {when}")


def chains_elsewhere(on: Backends) -> int:
    """How many chains lie in folders of other nodes, as the database knows."""
    folder = on.audit.folder
    with on.database.snapshot() as tx:
        return store.audit_heads.count_elsewhere(tx, (folder and audit_files.find_id(folder)) or "")


def _look(folder: Path) -> tuple[list[FileName], _Evidence]:
    """The files that are there, and what their first lines say."""
    while True:
        names, evidence = audit_files.names(folder), _Evidence()
        try:
            for name in names:
                opening = audit_chain.opening_of(audit_files.first_line(folder, name))
                if opening is not None:
                    evidence.add(opening)
        except FileNotFoundError:  # an old one was removed this very moment; who did has told so before
            continue
        return names, evidence


class _Check:
    """Walks chains with the keys and the evidence at hand."""

    def __init__(self, folder: Path, folder_id: str | None, seal_keys: Sequence[bytes], evidence: _Evidence) -> None:
        self._folder = folder
        self._folder_id = folder_id
        self._keys = seal_keys
        self._evidence = evidence

    def chain(self, names: Sequence[FileName], *, is_whole: bool) -> Iterator[Checked]:
        """The files of one chain, and those that are missing from it."""
        head: Head | None = Head()
        expected = names[0]
        before = names[0].before
        if before is not None:
            head = self._evidence.forgotten.get(str(before))
            if head is None and is_whole:
                yield Checked(str(before), 0, f"is missing: {names[0]} comes after it")
        for name in names:
            while expected.number < name.number:
                head = self._evidence.forgotten.get(str(expected))
                if head is None:
                    yield Checked(str(expected), 0, f"is missing: {name} comes after it")
                expected = expected.next
            walk = _Walk(self._folder, self._folder_id, name, head, is_last=name == names[-1])
            try:
                yield walk.checked(self._keys, self._evidence.claims.get(str(name), {}))
                head = walk.head
            except FileNotFoundError:
                head = _look(self._folder)[1].forgotten.get(str(name))
                fault = None if head else "vanished while it was checked"
                yield Checked(str(name), 0, fault, "was removed while it was checked: it was old")
            expected = name.next


class _Walk:
    """One file, line by line."""

    def __init__(
        self, folder: Path, folder_id: str | None, name: FileName, head: Head | None, *, is_last: bool
    ) -> None:
        self._folder = folder
        self._folder_id = folder_id
        self._name = name
        self.head = head  # None: where the chain stood is not known any more
        self._is_last = is_last
        self._lines = 0
        self._unsealed = 0  # since the last seal
        self._is_torn = self._is_closed = False

    def checked(self, seal_keys: Sequence[bytes], claims: Mapping[int, tuple[str, str]]) -> Checked:
        is_open = self._is_last and audit_files.is_being_written(self._folder, self._name)
        fault = self._walk(seal_keys, claims)
        if fault is None and not is_open:
            fault = self._fault_at_end(claims)
        if fault is not None:
            self.head = None
            return Checked(str(self._name), self._lines, fault)
        return Checked(str(self._name), self._lines, remark=self._remark(is_open=is_open))

    def _walk(self, seal_keys: Sequence[bytes], claims: Mapping[int, tuple[str, str]]) -> str | None:
        for whole in audit_files.lines(self._folder, self._name):
            line = whole.removesuffix(b"\n")
            if line == whole:
                self._is_torn = True
                return None
            number = self._lines + 1
            link = audit_chain.link_of(line)
            if link is None:
                return f"line {number} is no line of the log"
            fault = self._fault_of_place(line, link, number)
            if fault is not None:
                return fault
            if link.seal is not None and not audit_chain.is_sealed_by(line, seal_keys):
                return f"line {number} has a seal that this installation did not make"
            self._unsealed = 0 if link.seal is not None else self._unsealed + 1
            self._is_closed = link.seal is not None and line.startswith(CLOSED)
            self._lines = number
            self.head = Head(link.sequence, audit_chain.digest_of(line))
            wanted, when = claims.get(link.sequence, (self.head.digest, ""))
            if wanted != self.head.digest:
                return f"line {number} is another one than {when}"
        return None

    def _fault_of_place(self, line: bytes, link: Link, number: int) -> str | None:
        """What is wrong with a line where it stands."""
        head = self.head
        if head is not None and link.sequence != head.sequence + 1:
            return (
                f"line {number} has the sequence {link.sequence} where {head.sequence + 1} was due: "
                "lines were removed, inserted or reordered"
            )
        if head is not None and not link.follows(head):
            where = f"line {number - 1} was altered" if number > 1 else "the end of the file before it was altered"
            return f"line {number} does not follow the line before it: {where}, or lines were replaced"
        if number == 1:
            opening = audit_chain.opening_of(line)
            if link.seal is None or opening is None or opening.file != str(self._name):
                return "line 1 does not open this file: the file was renamed, or its beginning is gone"
            if opening.folder not in {"", self._folder_id}:
                return f"line 1 is of the folder {opening.folder}: {audit_files.ID_FILE} is gone or another one"
        return None

    def _fault_at_end(self, claims: Mapping[int, tuple[str, str]]) -> str | None:
        """What is wrong with the end of a file that nobody writes any more."""
        if self._is_torn and not self._is_last:
            return f"it ends within line {self._lines + 1}, but the chain goes on"
        later = [(sequence, when) for sequence, (_, when) in claims.items()
                 if self.head is not None and sequence > self.head.sequence]  # fmt: skip
        if later:
            sequence, when = max(later)
            return f"its end is gone: there was a line of the sequence {sequence} {when}"
        if self._unsealed and not self._is_torn:
            return f"it ends with {self._unsealed} lines without a seal: they were added, or lines after them are gone"
        return None

    def _remark(self, *, is_open: bool) -> str | None:
        if is_open:
            return "it is being written"
        if self._is_torn:
            unsealed = f", after {self._unsealed} lines without a seal" if self._unsealed else ""
            return f"its process was killed: the last line is torn{unsealed}"
        if self._lines == 0:
            return "its process was killed before the first line"
        return None if self._is_closed or not self._is_last else "its process was killed: there is no closing line"
