"""Notice registries that set each other's repositories: whoever sets one says from where its settings come.

    A sets B ── "A" ──► B notes that         B would set A ── "B, and A before it" ──► A finds itself: refused

Who came first leads as long as it says so, which comparisons do once an hour. The other one sets nothing, and says why.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.errors import ReplicatedSettingsCircle
from holdfast.store.setting_leaders import Known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.model.names import RepositoryRef
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

LEADS_FOR = timedelta(hours=3)  # since it was said last
MOST = 16  # of one repository


def put(on: Backends, at: RepositoryRef, leaders: Sequence[str]) -> None:
    """Note who sets a repository from elsewhere. Refuses if it is one of those itself."""
    with on.database.transaction(durable=False) as tx:
        follow(on, tx, store.repositories.get(tx, at), leaders)


def follow(on: Backends, tx: Transaction, repository: Repository, leaders: Sequence[str]) -> None:
    """The same, in a transaction."""
    known = _known(on, tx, repository)
    if known.own_id in leaders:
        raise ReplicatedSettingsCircle(repository.ref)
    fresh = {**known.leaders, **dict.fromkeys(leaders, on.clock())}
    newest = sorted(fresh, key=lambda id_: fresh[id_])[-MOST:]
    store.setting_leaders.put(tx, repository, known.own_id, {id_: fresh[id_] for id_ in newest})


def find(on: Backends, repository: Repository) -> list[str]:
    """From where settings come that this repository gives others: from itself, and from who sets it."""
    with on.database.snapshot() as tx:
        is_known = store.setting_leaders.find(tx, repository) is not None
        found = of(on, tx, repository) if is_known else []
    if not is_known:
        with on.database.transaction(durable=False) as tx:
            found = of(on, tx, repository)
    return found


def of(on: Backends, tx: Transaction, repository: Repository) -> list[str]:
    """The same, in a transaction that writes."""
    known = _known(on, tx, repository)
    return [known.own_id, *known.leaders]


def _known(on: Backends, tx: Transaction, repository: Repository) -> Known:
    """What is known, of now; a repository gets a name for it when it first needs one."""
    found = store.setting_leaders.find(tx, repository)
    if found is None:
        found = Known(on.new_id(), {})
        store.setting_leaders.put(tx, repository, found.own_id, {})
    since = on.clock() - LEADS_FOR
    return Known(found.own_id, {id_: at for id_, at in found.leaders.items() if at > since})
