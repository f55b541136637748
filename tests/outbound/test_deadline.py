"""Times within which a server has to answer, many of them seen to by one thread."""

from __future__ import annotations

import socket
import time

from holdfast.outbound.deadline import Watch


def test_only_the_connection_whose_time_is_over_is_cut():
    watch = Watch()
    pairs = [socket.socketpair() for _ in range(4)]
    (late, far), *others = pairs
    patient = watch.deadline(60, others[0][0])
    ended = watch.deadline(0.01, others[1][0])
    ended.end()
    prolonged = watch.deadline(0.01, others[2][0])
    prolonged.begin_again(60)
    deadline = watch.deadline(0.02, late)

    far.settimeout(60)
    assert far.recv(1) == b""
    assert deadline.is_over
    assert [one.is_over for one in (patient, ended, prolonged)] == [False] * 3
    for near, other in others:
        near.sendall(b"x")
        assert other.recv(1) == b"x"
    for pair in pairs:
        for end in pair:
            end.close()


def test_a_connection_that_is_made_too_late_is_cut_at_once():
    near, far = socket.socketpair()
    deadline = Watch().deadline(0.001)
    while not deadline.is_over:
        time.sleep(0.001)

    deadline.binds(near)

    assert far.recv(1) == b""
    near.close()
    far.close()
