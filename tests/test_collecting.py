"""Bodies that are waited for share some memory: whoever holds much of it never keeps others from their turn."""

from __future__ import annotations

import pytest

from holdfast.http import ReadBody, Request, Response
from holdfast.http.collecting import Room, collect
from holdfast.model.errors import ServerBusy

ROOM = 1000


class Words:
    """An application that words a fault by its class."""

    def failed(self, _, fault):
        return Response(503, body=type(fault).__name__.encode())


class Body:
    """A body that somebody sends."""

    def __init__(self, room, peer, limit=600):
        head = Request("POST", "/", "", [], peer=peer, is_secure=False)
        wish = ReadBody(limit, lambda data: Response(200, body=data), lambda: Response(413))
        self.sink = collect(wish, head, Words(), room)
        self.answer = None

    def send(self, size):
        """Whether it was taken; if not, here is the answer."""
        try:
            self.sink.write([b"x" * size])
        except Exception as fault:  # noqa: BLE001 - the sink words every fault
            self.answer = self.sink.refuse(fault)
        return self.answer is None

    def end(self):
        try:
            self.answer = self.sink.finish()
        except Exception as fault:  # noqa: BLE001 - the sink words every fault
            self.answer = self.sink.refuse(fault)
        return self.answer.status


@pytest.fixture
def room():
    return Room(ROOM)


def test_who_holds_the_most_gives_way_and_what_came_first_of_his(room):
    first, second = (Body(room, "192.0.2.1") for _ in range(2))
    small = Body(room, "192.0.2.2")
    newcomer = Body(room, "192.0.2.3")
    assert [first.send(400), second.send(590), small.send(10)] == [True] * 3

    assert newcomer.send(300)
    assert [second.end(), small.end(), newcomer.end()] == [200, 200, 200]
    assert not first.send(1)
    assert (first.answer.status, first.answer.body) == (503, ServerBusy.__name__.encode())


def test_however_many_hold_on_somebody_who_asks_for_little_has_his_turn(room):
    holding = [Body(room, f"192.0.2.{number}") for number in range(20)]
    for body in holding:
        body.send(600)

    call = Body(room, "198.51.100.1")

    assert [call.send(1) for _ in range(40)] == [True] * 40
    assert (call.end(), call.answer.body) == (200, b"x" * 40)


def test_a_client_with_a_network_of_addresses_is_one(room):
    many = [Body(room, f"2001:db8::{number:x}") for number in range(1, 11)]
    for body in many:
        body.send(90)
    neighbour = Body(room, "2001:db8:0:1::1")

    assert neighbour.send(500)
    assert [body.end() for body in many] == [503] * 5 + [200] * 5


def test_a_body_that_is_whole_is_answered_whatever_comes(room):
    answers = []

    def answered_while_others_press(data):
        other = Body(room, "192.0.2.2")
        answers.extend([other.send(500), other.send(100), other.answer.status])
        return Response(200, body=data)

    head = Request("POST", "/", "", [], peer="192.0.2.1", is_secure=False)
    sink = collect(ReadBody(600, answered_while_others_press, lambda: Response(413)), head, Words(), room)
    sink.write([b"x" * 500])

    assert sink.finish().body == b"x" * 500
    assert answers == [True, False, 503]


@pytest.mark.parametrize("ending", ["end", "hang up", "too long", "dropped"])
def test_what_a_body_held_is_free_again(room, ending):
    body = Body(room, "192.0.2.1")
    assert body.send(600)
    match ending:
        case "end":
            body.end()
        case "hang up":
            body.sink.interrupted()
        case "too long":
            assert not body.send(1)
            assert body.answer.status == 413
        case "dropped":
            assert Body(room, "192.0.2.1").send(500)
            body.end()

    others = [Body(room, f"198.51.100.{number}") for number in range(2)]

    assert [other.send(500) for other in others] == [True, True]
    assert [other.end() for other in others] == [200, 200]
