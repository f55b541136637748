"""Puts a distance between a client and a server on one machine: what either says arrives so many milliseconds later.

python benchmarks/far.py 127.0.0.1:5000 --delay-ms 10
"""

import argparse
import asyncio
from functools import partial

PIECE = 256 * 1024
UNDERWAY = 64  # pieces of one direction


async def carry(reader, writer, seconds):
    """Carry what comes, later by so many seconds."""
    underway = asyncio.Queue(UNDERWAY)
    loop = asyncio.get_running_loop()

    async def deliver():
        while True:
            due, piece = await underway.get()
            await asyncio.sleep(due - loop.time())
            if not piece:
                writer.close()
                return
            writer.write(piece)
            await writer.drain()

    delivering = asyncio.create_task(deliver())
    piece = b"x"
    while piece and not delivering.done():
        try:
            piece = await reader.read(PIECE)
        except ConnectionError:
            piece = b""
        await underway.put((loop.time() + seconds, piece))
    await asyncio.gather(delivering, return_exceptions=True)


async def answer(where, seconds, reader, writer):
    """Join a client with the server."""
    host, _, port = where.rpartition(":")
    far_reader, far_writer = await asyncio.open_connection(host, int(port))
    await asyncio.gather(carry(reader, far_writer, seconds), carry(far_reader, writer, seconds))


async def serve(where, seconds):
    server = await asyncio.start_server(partial(answer, where, seconds), "127.0.0.1", 0, limit=PIECE)
    print(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("where", help="host:port of the server")
    parser.add_argument("--delay-ms", type=float, required=True)
    options = parser.parse_args()
    asyncio.run(serve(options.where, options.delay_ms / 1000))
