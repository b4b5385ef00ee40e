"""Measures the limit of pushing: a bare asyncio server that writes the same bytes to everybody.

python -m benchmarks.raw PORT BYTES MESSAGES_PER_SECOND
"""

from __future__ import annotations

import asyncio
import sys


async def main(port: int, size: int, rate: float) -> None:
    """Answer every connection, and write to all of them at a steady rate."""
    writers: set[asyncio.StreamWriter] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await reader.readline():
            return  # only somebody who asked whether the port answers
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        writers.add(writer)
        await reader.read()
        writers.discard(writer)

    async with await asyncio.start_server(answer, "127.0.0.1", port, backlog=2048):
        message = b"data: " + b"x" * (size - 14) + b"\nid: 1\n\n"
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            for writer in writers:
                writer.write(message)
            due += 1 / rate
            await asyncio.sleep(max(0, due - loop.time()))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
