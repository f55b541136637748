"""How fast events are told: to a webhook, near and far, and to a queue of moto's.

    python benchmarks/events.py [--events 2000]

The receivers are processes of their own. A far one answers after some milliseconds, as many posts at once as it gets.
"""

import argparse
import asyncio
import logging
import multiprocessing
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.hooks import KEYS, calling_out, moto
from tests.registry.ground import HOME, Clock, open_ground

from holdfast import registry
from holdfast.model.event_targets import Kind, Scope, Wishes
from holdfast.model.events import Event
from holdfast.model.work import Lane
from holdfast.registry.event_senders import Secrets
from holdfast.worker import Runner


def receive(pipe, seconds):
    """Take posts, each after some seconds."""

    async def talk(reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
                await reader.readexactly(int(length.partition(b":")[2]))
                await asyncio.sleep(seconds)
                writer.write(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def serve():
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


def queue(pipe):
    """Keep a queue of moto's."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with moto() as (_, client):
        pipe.send(client("sqs").create_queue(QueueName="events")["QueueUrl"])
        time.sleep(3600)


def told(kind, address, count):
    """Events a second to a target."""
    with tempfile.TemporaryDirectory() as folder:
        on = replace(open_ground(Path(folder), Clock()), **calling_out())
        secrets = Secrets() if kind is Kind.WEBHOOK else Secrets(key_id=KEYS["aws_access_key_id"], secret="secret")
        scope = Scope(HOME.account_id, HOME.region)
        registry.event_targets.put(on, scope, Wishes("one", kind, address), secrets)
        with on.database.transaction() as tx:
            for number in range(count):
                detail = {"repository-name": "a", "image-digest": f"sha256:{number:064}", "action-type": "PUSH"}
                registry.events.tell(on, tx, HOME, Event("ECR Image Action", detail))
        registry.events.place(on)
        began = time.perf_counter()
        while registry.event_targets.get(on, scope, "one").target.delivered < count:
            Runner(on, lane=Lane.DELIVERY).tick()
        return count / (time.perf_counter() - began)


def main():
    """Tell events to each kind of target, and print how fast that was."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=2000)
    count = parser.parse_args().events
    rows = [(f"webhook, {1000 * far:g} ms away", Kind.WEBHOOK, receive, (far,)) for far in (0.0, 0.02, 0.1)]
    for name, kind, run, how in [*rows, ("SQS of moto's", Kind.SQS, queue, ())]:
        ours, theirs = multiprocessing.Pipe()
        receiver = multiprocessing.Process(target=run, args=(theirs, *how), daemon=True)
        receiver.start()
        address = ours.recv()
        address = f"http://127.0.0.1:{address}/" if isinstance(address, int) else address
        print(f"{name:<24} {told(kind, address, count if not how or how[0] < 0.05 else count // 10):8.0f} events/s")
        receiver.kill()


if __name__ == "__main__":
    main()
