"""What processes remember of PostgreSQL is never what was there before an acknowledged change."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from holdfast import registry
from holdfast.model.errors import NotFound
from holdfast.model.images import ImageId
from holdfast.registry.scrub import Wanted
from holdfast.store import WouldWait
from holdfast.store.remembered import LEASE_SECONDS, TIME_TO_LIVE_SECONDS, Memory
from tests.registry.ground import AT, push, put


class Seconds:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def seconds():
    return Seconds()


@pytest.fixture
def memory(seconds):
    memory = Memory(seconds, most_bytes=5000)
    memory.lengthen(seconds.now)
    return memory


@pytest.fixture
def nodes(one, two):
    """Two nodes in this process, of which the second remembers."""
    two.database.remember()
    return one, two


def pulled(on, tag="v1"):
    return registry.images.find_stored(on, AT, tag, by_tag=True).digest


def until_remembered(on):
    """Read until an answer needs no wait."""
    for _ in range(1000):
        try:
            with on.database.without_waiting():
                return pulled(on)
        except WouldWait:
            pulled(on)
    raise AssertionError("nothing is remembered")


# ---- The memory of a process


def test_what_is_kept_is_found_until_its_time_is_over(memory, seconds):
    memory.keep(memory.begin(), "a", "x", 1, 0)

    assert memory.find("a", "x") == 1
    for _ in range(int(TIME_TO_LIVE_SECONDS)):
        memory.lengthen(seconds.now)
        seconds.now += 1
    assert memory.find("a", "x") is None


def test_nothing_is_found_after_the_lease(memory, seconds):
    memory.keep(memory.begin(), "a", "x", 1, 0)
    seconds.now += LEASE_SECONDS

    assert memory.find("a", "x") is None
    assert memory.begin() is None


def test_a_lease_that_comes_too_late_finds_nothing_remembered(memory, seconds):
    memory.keep(memory.begin(), "a", "x", 1, 0)
    read = memory.begin()
    sent = seconds.now + LEASE_SECONDS - 0.1
    seconds.now += LEASE_SECONDS + 0.1  # the process was stopped while the server took the lease

    memory.lengthen(sent)
    memory.keep(read, "a", "y", 2, 0)

    assert (memory.find("a", "x"), memory.find("a", "y")) == (None, None)


def test_what_was_read_while_something_was_forgotten_is_not_kept(memory):
    read = memory.begin()
    memory.forget(["b"])

    memory.keep(read, "a", "x", 1, 0)

    assert memory.find("a", "x") is None


def test_only_what_is_named_is_forgotten(memory):
    for name in ("a", "b"):
        memory.keep(memory.begin(), name, "x", name, 0)

    memory.forget(["a"])

    assert (memory.find("a", "x"), memory.find("b", "x")) == (None, "b")
    memory.forget(["*"])
    assert memory.find("b", "x") is None


def test_it_is_bounded_and_keeps_what_was_asked_for_last(memory):
    for number in range(4):
        memory.keep(memory.begin(), "a", str(number), number, 1000)
        memory.find("a", "0")

    assert [memory.find("a", str(number)) for number in range(4)] == [0, None, 2, 3]


# ---- Two nodes


def test_what_is_remembered_needs_no_wait(nodes):
    one, two = nodes
    document = push(one, AT, "first", "v1")

    assert until_remembered(two) == document.digest


@pytest.mark.parametrize("change", ["moved", "tag deleted", "image deleted", "repository deleted", "damaged"])
def test_the_next_read_anywhere_sees_a_change(nodes, change):
    one, two = nodes
    first, second = push(one, AT, "first", "v1"), push(one, AT, "second", "v2")
    assert until_remembered(two) == first.digest

    if change == "moved":
        put(one, AT, second, "v1")
        assert pulled(two) == second.digest
        return
    if change == "tag deleted":
        registry.images.delete_tag(one, AT, "v1")
    elif change == "image deleted":
        registry.images.delete(one, AT, [ImageId(first.digest)])
    elif change == "repository deleted":
        registry.repositories.delete(one, AT, force=True)
    else:
        with one.database.transaction() as tx:
            tx._driver.execute("UPDATE manifest_bodies SET body = 'damaged'")
        list(registry.scrub.run(one, Wanted(repository=AT), lambda _: None))
    with pytest.raises(NotFound):
        pulled(two)


def test_a_change_that_came_to_nothing_is_not_seen(nodes, monkeypatch):
    one, two = nodes
    first, second = push(one, AT, "first", "v1"), push(one, AT, "second", "v2")
    assert until_remembered(two) == first.digest

    monkeypatch.setattr(registry.arrivals, "pushed", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        put(one, AT, second, "v1")

    assert pulled(two) == first.digest


def test_readers_everywhere_see_a_tag_move_in_one_direction(nodes):
    one, two = nodes
    documents = [push(one, AT, f"image {number}", f"t{number}") for number in range(12)]
    order = {document.digest: number for number, document in enumerate(documents)}
    put(one, AT, documents[0], "v1")
    seen = acknowledged = 0
    lock, faults, is_over = threading.Lock(), [], threading.Event()

    def read(on):
        nonlocal seen
        while not is_over.is_set():
            with lock:
                least = max(seen, acknowledged)
            found = order[pulled(on)]
            if found < least:
                faults.append((found, least))
            with lock:
                seen = max(seen, found)

    readers = [threading.Thread(target=read, args=[on]) for on in (one, two, two)]
    for reader in readers:
        reader.start()
    for number, document in enumerate(documents):
        put(one, AT, document, "v1")
        with lock:
            acknowledged = number
    is_over.set()
    for reader in readers:
        reader.join()

    assert faults == []
    assert seen == len(documents) - 1


def test_a_connection_that_breaks_lets_everything_be_forgotten(nodes, postgres):
    one, two = nodes
    first, second = push(one, AT, "first", "v1"), push(one, AT, "second", "v2")
    assert until_remembered(two) == first.digest

    with postgres.admin() as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE '%memory_leases%' AND pid <> pg_backend_pid()"
        )
    put(one, AT, second, "v1")

    assert pulled(two) == second.digest
    assert until_remembered(two) == second.digest


def test_a_message_that_nobody_understands_lets_everything_be_forgotten(nodes, postgres, url):
    one, two = nodes
    first, second = push(one, AT, "first", "v1"), push(one, AT, "second", "v2")
    assert until_remembered(two) == first.digest

    with postgres.admin(url.rpartition("/")[2]) as admin:
        admin.execute("NOTIFY holdfast_told, 'nonsense'")
    put(one, AT, second, "v1")

    assert pulled(two) == second.digest
    assert until_remembered(two) == second.digest


# ---- Workers of one server


def test_every_worker_sees_what_one_of_them_changed(start, url):
    product = start("--database", url, "--workers", "3")
    target = product.registry("hello")
    first, second = target.push_image("v1"), target.push_image("v2")
    readers = [product.http(target.http.authorization) for _ in range(12)]
    for _ in range(3):
        assert {reader("GET", "/v2/hello/manifests/v1").body for reader in readers} == {first.body}

    target.push_manifest(second, "v1")

    assert {reader("GET", "/v2/hello/manifests/v1").body for reader in readers} == {second.body}


# ---- Two processes, one of which is stopped


def test_a_stopped_process_holds_up_nobody_for_long_and_serves_nothing_old(start, url):
    one = start("--database", url, "--workers", "1")
    two = start("--database", url, "--workers", "1", "--blobs", f"file://{one.data}/objects", data=one.data)
    target = one.registry("hello")
    first, second = target.push_image("v1"), target.push_image("v2")
    reader = two.http()
    for _ in range(20):
        assert reader("GET", "/v2/hello/manifests/v1").body == first.body

    os.killpg(two.process.pid, signal.SIGSTOP)
    target.push_manifest(second, "v1")
    assert target("GET", "/manifests/v1").body == second.body
    os.killpg(two.process.pid, signal.SIGCONT)

    assert reader("GET", "/v2/hello/manifests/v1").body == second.body


def test_a_key_that_is_switched_off_opens_nothing_on_another_node(start, url):
    one = start("--database", url, "--workers", "1")
    two = start("--database", url, "--workers", "1", data=one.data)
    iam = one.aws_client("iam")
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    iam.put_user_policy(
        UserName="reader",
        PolicyName="all",
        PolicyDocument='{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}',
    )
    target = one.registry("hello")
    target.push_image("v1")
    ecr = two.ecr(key_id=key["AccessKeyId"], secret=key["SecretAccessKey"])
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    reader = two.http(f"Basic {token}")
    assert [reader("GET", "/v2/hello/manifests/v1").status for _ in range(5)] == [200] * 5

    iam.update_access_key(UserName="reader", AccessKeyId=key["AccessKeyId"], Status="Inactive")

    assert reader("GET", "/v2/hello/manifests/v1").status == 401
