"""Let a user in, keep him out, and see whether he comes in: what a process remembers of access must not outlive it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.http import Request
from holdfast.model.callers import Caller
from holdfast.model.errors import Refusal, RepositoryNotFound, RepositoryPolicyNotFound
from holdfast.simulation.ground import ground
from holdfast.simulation.registers import becomes, sees
from holdfast.simulation.things import GUEST, HOME, REPOSITORIES

if TYPE_CHECKING:
    from holdfast.simulation.client import Client
    from holdfast.simulation.history import Key

KEY = ("key",)  # whether the guest's access key is active
LET_IN = (
    '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ecr:*",'
    f'"Principal":{{"AWS":"arn:aws:iam::{HOME.account_id}:user/{GUEST}"}}}}}}'
)


def grant_of(repository: str) -> Key:
    """The register of a repository's policy: whether it lets the guest in."""
    return "grant", repository


def come_in(client: Client, repository: str) -> None:
    """Ask as the guest for what only the repository's policy allows."""
    deed, reply = client.ask(
        f"list tags of {repository} as {GUEST}", "GET", f"/v2/{repository}/tags/list", login=ground().guest
    )
    if deed.is_known:
        deed.mark(KEY, sees(reply.status != 401))
    if deed.is_known and reply.status != 401:
        deed.mark(grant_of(repository), sees(reply.status != 403))


def set_key_active(client: Client, *, is_active: bool) -> None:
    """Switch the guest's key on or off."""
    key = ground().guest_key
    deed, _ = client.call(
        f"switch the key of {GUEST} {'on' if is_active else 'off'}",
        lambda on: registry.iam.access_keys.set_active(on, HOME.account_id, GUEST, key, is_active=is_active),
    )
    deed.is_kept = deed.is_known
    deed.mark(KEY, becomes(is_active))


def let_in(client: Client, repository: str) -> None:
    """Let the repository's policy allow the guest everything."""
    root = Caller(HOME.account_id, "")
    request = Request("POST", "/", "", [], peer="127.0.0.1", is_secure=False)
    deed, result = client.call(
        f"let {GUEST} into {repository}",
        lambda on: registry.policies.set_on_repository(on, root, REPOSITORIES[repository], LET_IN, request, force=True),
    )
    if not isinstance(result, Refusal):
        deed.is_kept = deed.is_known
        deed.mark(("repository", repository), sees(True))
        deed.mark(grant_of(repository), becomes(True))


def keep_out(client: Client, repository: str) -> None:
    """Take the repository's policy away."""
    deed, result = client.call(
        f"keep {GUEST} out of {repository}",
        lambda on: registry.policies.delete_from_repository(on, REPOSITORIES[repository]),
    )
    if isinstance(result, RepositoryNotFound):
        deed.mark(("repository", repository), sees(False))
    elif isinstance(result, RepositoryPolicyNotFound):
        deed.mark(grant_of(repository), sees(False))
    elif not isinstance(result, Refusal):
        deed.is_kept = deed.is_known
        deed.mark(grant_of(repository), becomes(False, was=(True,)))
