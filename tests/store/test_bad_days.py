"""Bad days of PostgreSQL: what was asked is done whole, or refused whole and may be asked again."""

from __future__ import annotations

import random
import threading
import time
from urllib.parse import quote

import psycopg
import pytest

from holdfast import registry
from holdfast.model.errors import DatabaseUnavailable, Refusal
from holdfast.model.images import ImageId
from holdfast.model.names import RepositoryRef
from holdfast.store import invariants, open_database
from tests import builders
from tests.registry.ground import AT, HOME, create, push, push_blob

OTHER = RepositoryRef(HOME, "other/repository")
STATEMENTS = 100  # more than any deed here has


def digest(on, tag):
    """The digest of the image that a tag names."""
    return registry.images.find_stored(on, AT, tag, by_tag=True).digest


def broken(on):
    with on.database.snapshot() as tx:
        return invariants.broken(tx)


def until_logged(product, words):
    deadline = time.monotonic() + 30
    while words not in product.log.read_text():
        assert time.monotonic() < deadline, product.log.read_text()
        time.sleep(0.02)


class Fate:
    """What becomes of the statement of a number, counted over all connections of the program."""

    def __init__(self, monkeypatch):
        self.number = 0
        self.spoil = lambda _connection, run: run()
        execute = psycopg.Connection.execute

        def counted(connection, *arguments, **named):
            def run():
                return execute(connection, *arguments, **named)

            if threading.current_thread() is not threading.main_thread() or arguments[0] == "ROLLBACK":
                return run()
            self.number -= 1
            return run() if self.number else self.spoil(connection, run)

        monkeypatch.setattr(psycopg.Connection, "execute", counted)


@pytest.fixture
def fate(monkeypatch):
    return Fate(monkeypatch)


# ---- Connections that end


def test_connections_that_were_ended_are_replaced(one, postgres, url):
    with one.database.snapshot(), one.database.snapshot(), one.database.snapshot():
        pass

    postgres.end_connections(url)

    assert push(one, AT, "an image", "v1").digest == digest(one, "v1")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_deed_whose_connection_ends_at_any_statement_is_done_or_not_and_may_be_done_again(one, fate, moment):
    """Before the server does it, or after that and before it says so: then a commit may have been one."""

    def spoil(connection, run):
        if moment == "after":
            run()
        connection.close()
        raise psycopg.OperationalError("the connection is lost")

    fate.spoil = spoil
    refused = 0
    for number in range(1, STATEMENTS):
        fate.number = number
        try:
            push(one, AT, f"image {number}", "v1")
        except DatabaseUnavailable:
            refused += 1
        was_reached, fate.number = fate.number <= 0, 0

        assert broken(one) == []
        assert push(one, AT, f"image {number}", "v1").digest == digest(one, "v1")
        if not was_reached:
            break

    assert not was_reached
    assert refused > 10


# ---- A server that is away


def test_a_server_that_was_away_is_found_again(one, two, postgres):
    document = push(one, AT, "an image", "v1")
    two.database.remember()
    assert digest(two, "v1") == document.digest

    postgres.stop()
    for on in (one, two):
        with pytest.raises(DatabaseUnavailable):
            registry.images.delete_tag(on, AT, "v1")
    postgres.start()

    second = push(one, AT, "another image", "v1")
    assert [digest(on, "v1") for on in (one, two)] == [second.digest] * 2


def test_clients_are_asked_to_try_again_and_may(start, postgres, url):
    product = start("--database", url, "--workers", "1")
    target, ecr = product.registry("hello"), product.aws()
    image = target.push_image("v1")
    target("GET", "/manifests/v1")  # which is noted
    asked = {
        "push": lambda: target.push_manifest(image, "v2"),
        "upload": lambda: target("POST", "/blobs/uploads/"),
        "list": lambda: target("GET", "/tags/list"),
        "ready": lambda: target.http("GET", "/readyz"),
        "api": lambda: ecr("DescribeRepositories"),
    }

    postgres.stop()
    until_logged(product, "background work waits")
    until_logged(product, "what requests noted waits")
    refused = {name: ask() for name, ask in asked.items()}
    postgres.start()
    answers = {name: ask() for name, ask in asked.items()}

    assert {name: answer.status for name, answer in refused.items()} == dict.fromkeys(asked, 503)
    assert refused["push"].headers["retry-after"] == "5"
    assert b"ServiceUnavailableException" in refused["api"].body
    assert {answer.status for answer in answers.values()} == {200, 201, 202}
    assert target("GET", "/manifests/v2").body == image.body
    assert product.stop() == 0
    assert "Traceback" not in product.log.read_text()


# ---- Waits


def impatient(one, **settings):
    """A node whose server waits for less long."""
    words = " ".join(f"-c {name}={value}" for name, value in settings.items())
    return open_database(f"{one.database._url}?options={quote(words, safe='')}")


def test_who_waits_too_long_for_other_writers_is_refused(one):
    database = impatient(one, lock_timeout="50ms")

    with one.database.transaction(), pytest.raises(DatabaseUnavailable), database.transaction():
        pass

    with database.transaction() as tx:
        assert invariants.broken(tx) == []
    database.close()


def test_who_says_nothing_in_the_middle_of_a_transaction_holds_up_nobody(one):
    database = impatient(one, idle_in_transaction_session_timeout="50ms")

    with pytest.raises(DatabaseUnavailable), database.transaction():
        push(one, AT, "an image", "v1")  # waits until the server has ended the other

    assert broken(one) == []
    database.close()


def test_who_waits_in_a_circle_is_refused(one, postgres, url):
    database = impatient(one, deadlock_timeout="50ms")
    with one.database.transaction() as tx:
        tx._driver.execute("CREATE TABLE rows (id int PRIMARY KEY, value int)")
        tx._driver.execute("INSERT INTO rows VALUES (1, 0), (2, 0)")
    change = "UPDATE rows SET value = value + 1 WHERE id = {}"

    with postgres.admin(url.rpartition("/")[2]) as admin, admin.transaction():
        admin.execute(change.format(1))
        with pytest.raises(DatabaseUnavailable), database.transaction() as tx:  # noqa: PT012 - it is the last of three
            tx._driver.execute(change.format(2))
            other = threading.Thread(target=admin.execute, args=[change.format(2)])
            other.start()
            tx._driver.execute(change.format(1))
        other.join()

    with one.database.transaction() as tx:
        assert tx._driver.execute("SELECT value FROM rows").fetchall() == [(1,), (1,)]
    database.close()


# ---- Many writers


def test_many_writers_of_the_same_things_leave_them_whole(one, two):
    """Nobody is ended for a wait in a circle, or for having made what another made at the same time."""
    create(one, OTHER)
    faults = []

    def again(on, at):
        registry.repositories.delete(on, at, force=True)
        create(on, at)

    deeds = [
        lambda on, chance: push(on, chance.choice([AT, OTHER]), f"image {chance.randrange(3)}", chance.choice("ab")),
        lambda on, chance: push(on, chance.choice([AT, OTHER]), f"image {chance.randrange(3)}", chance.choice("ab")),
        lambda on, chance: push_blob(on, chance.choice([AT, OTHER]), b"a layer"),
        lambda on, _: registry.uploads.mount(on, AT, OTHER, builders.digest(b"a layer")),
        lambda on, chance: registry.images.delete_tag(on, AT, chance.choice("ab")),
        lambda on, chance: registry.images.delete(on, OTHER, [ImageId(tag=chance.choice("ab"))]),
        lambda on, _: again(on, OTHER),
    ]

    def write(on, seed):
        chance = random.Random(seed)
        for _ in range(12):
            try:
                chance.choice(deeds)(on, chance)
            except DatabaseUnavailable as fault:
                faults.append(fault)
            except Refusal:
                pass  # what it was to work on is gone
            except BaseException as fault:  # noqa: BLE001 - a thread's fault is seen by nobody else
                faults.append(fault)

    threads = [threading.Thread(target=write, args=[on, seed]) for seed in range(3) for on in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    assert broken(one) == []
    assert push(one, AT, "image 1", "a").digest == digest(one, "a")
