"""What is remembered of decisions is what would be decided, whatever was changed in between, by whichever process."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from holdfast import registry
from holdfast.model.errors import Refusal
from holdfast.registry.access import Access
from tests import databases
from tests.aws.furnished import nobody_waits_for_the_disk
from tests.registry.any_policy import (
    ACCOUNT,
    ACTIONS,
    CONDITIONS,
    FACTS,
    MANAGED,
    PLACES,
    REQUESTS,
    WHERE,
    People,
    policies_at,
)
from tests.registry.ground import AT, Clock, create, open_ground

TAGS = st.dictionaries(st.sampled_from(["team", "Team", "stage"]), st.sampled_from(["red", "test", "prod"]), min_size=1)


class Forgetful(Access):
    """Reads once what decides, and decides each time."""

    def decide(self, on, *question):
        self._memories.clear()
        return super().decide(on, *question)


class Machine(RuleBasedStateMachine):
    """Two processes with one database: each remembers for itself."""

    template: tuple[Path, People]
    questions = conditions = ()

    def __init__(self) -> None:
        super().__init__()
        folder, people = self.template
        self.folder = Path(mkdtemp(dir=folder.parent))
        on = replace(
            people.on, database=databases.copied(people.on.database, self.folder), clock=Clock(), access=Access()
        )
        self.both = [on, replace(on, database=databases.again(on.database), access=Access())]
        self.people = People.__new__(People)
        self.people.on, self.people.callers, self.people.role = on, dict(people.callers), people.role

    def teardown(self) -> None:
        for on in reversed(self.both):
            databases.forget(on.database)
        shutil.rmtree(self.folder)

    @property
    def on(self):
        return self.people.on

    @initialize(
        data=st.data(),
        is_public=st.booleans(),
        actions=st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=2, unique=True),
        place=st.sampled_from(PLACES),
        circumstances=st.lists(st.tuples(REQUESTS, FACTS), min_size=3, max_size=4),
    )
    def open_doors(self, data, is_public, actions, place, circumstances):
        self.both = [replace(on, public_repositories=is_public) for on in self.both]
        self.people.on = self.both[0]
        self.questions = [(action, at, *one) for action in actions for at in {AT, place} for one in circumstances]
        # A few conditions only, so that policies and requests have to do with each other.
        self.conditions = data.draw(st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=2))
        for where in data.draw(st.lists(st.sampled_from(WHERE), min_size=2, max_size=4, unique=True)):
            self.people.say(where, data.draw(policies_at(where, self.conditions)))

    @invariant()
    def what_is_remembered_is_what_would_be_decided(self):
        """The same questions of everybody after every change."""
        forgetful = Forgetful()
        for caller in self.people.callers.values():
            for question in self.questions:
                afresh = forgetful.decide(self.on, caller, *question)
                for on in self.both:
                    remembered = on.access.decide(on, caller, *question)

                    assert (remembered.outcome, remembered.missing) == (afresh.outcome, afresh.missing)
                    assert remembered.statements == afresh.statements
                    assert remembered.reason == afresh.reason
                    assert remembered.is_allowed or remembered.request == afresh.request

    # ---- Change policies

    @rule(data=st.data(), place=st.sampled_from(WHERE))
    def say(self, data, place):
        with suppress(Refusal):  # one of its principals is gone
            self.people.say(place, data.draw(policies_at(place, self.conditions)))

    @rule(is_bound=st.booleans())
    def bound(self, is_bound):
        with suppress(Refusal):
            self.people.bound(is_bound=is_bound)

    @rule(kind=st.sampled_from([("user", "alice"), ("group", "crew"), ("role", "ci")]), is_attached=st.booleans())
    def attach(self, kind, is_attached):
        deed = registry.iam.attachments.attach if is_attached else registry.iam.attachments.detach
        with suppress(Refusal):
            deed(self.on, kind[0], ACCOUNT, kind[1], MANAGED["extra"])

    @rule(is_repository=st.booleans())
    def leave_without_policy(self, is_repository):
        with suppress(Refusal):
            if is_repository:
                registry.policies.delete_from_repository(self.on, AT)
            else:
                registry.policies.delete_from_registry(self.on, AT.registry)

    @rule(kind=st.sampled_from([("user", "alice"), ("group", "crew"), ("role", "ci")]))
    def take_inline(self, kind):
        with suppress(Refusal):
            registry.iam.attachments.delete_inline(self.on, kind[0], ACCOUNT, kind[1], "own")

    # ---- Change who people are, and what they ask for

    @rule(tags=TAGS)
    def tag_repository(self, tags):
        with suppress(Refusal):
            registry.repositories.tag(self.on, AT, tags)

    @rule(keys=TAGS)
    def untag_repository(self, keys):
        with suppress(Refusal):
            registry.repositories.untag(self.on, AT, list(keys))

    @rule(tags=TAGS, who=st.sampled_from(["alice", "ci"]))
    def tag(self, tags, who):
        module = registry.iam.users if who == "alice" else registry.iam.roles
        with suppress(Refusal):
            module.tag(self.on, ACCOUNT, who, tags)

    @rule(keys=TAGS, who=st.sampled_from(["alice", "ci"]))
    def untag(self, keys, who):
        module = registry.iam.users if who == "alice" else registry.iam.roles
        with suppress(Refusal):
            module.untag(self.on, ACCOUNT, who, list(keys))

    @rule(is_member=st.booleans())
    def group(self, is_member):
        deed = registry.iam.groups.add_user if is_member else registry.iam.groups.remove_user
        with suppress(Refusal):
            deed(self.on, ACCOUNT, "crew", "alice")

    @rule(name=st.sampled_from(["alice", "Alice", "else"]), path=st.sampled_from(["/", "/team/"]))
    def rename(self, name, path):
        """Back at once: the callers here know the ARN by which they were authenticated."""
        with suppress(Refusal):
            registry.iam.users.update(self.on, ACCOUNT, "alice", new_name=name, new_path=path)
            registry.iam.users.update(self.on, ACCOUNT, name, new_name="alice", new_path="/")

    @rule()
    def remove_user(self):
        with suppress(Refusal):
            registry.iam.groups.remove_user(self.on, ACCOUNT, "crew", "alice")
        with suppress(Refusal):
            registry.iam.attachments.detach(self.on, "user", ACCOUNT, "alice", MANAGED["extra"])
        with suppress(Refusal):
            registry.iam.attachments.delete_inline(self.on, "user", ACCOUNT, "alice", "own")
        with suppress(Refusal):
            registry.iam.users.delete(self.on, ACCOUNT, "alice")

    @rule()
    def make_user(self):
        """Of the same name, and another: only who logs in anew is meant."""
        with suppress(Refusal):
            user = registry.iam.users.create(self.on, ACCOUNT, "alice")
            self.people.callers["alice"] = replace(self.people.callers["alice"], entity_id=user.id)

    @rule()
    def make_repository_again(self):
        registry.repositories.delete(self.on, AT, force=True)
        create(self.on, AT)

    @rule(hours=st.integers(1, 30))
    def let_time_pass(self, hours):
        self.on.clock.pass_(hours=hours)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    with nobody_waits_for_the_disk():
        folder = tmp_path_factory.mktemp("machine") / "whole"
        folder.mkdir()
        on = open_ground(folder, Clock())
        people = People(on)
        on.database.close()
        yield folder, people


def test_what_is_remembered_is_what_would_be_decided(template):
    Machine.template = template

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=25, stateful_step_count=25, deadline=None, database=None)
    )
