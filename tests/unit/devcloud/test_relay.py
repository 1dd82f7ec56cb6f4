"""The relay, with real sockets on loopback; namespaces are tried with the whole cloud."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from agglo_devcloud.layout import BASTION_ADDRESS, LOOPBACK, Layout
from agglo_devcloud.relay import End, Forward, forwards, serve


def free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as made:
        return int(made.getsockname()[1])


def relayed(target: int, work: Callable[[int], Awaitable[None]], *, datagrams: bool = False) -> None:
    """Run ``work`` with the port of a relay to the port ``target``."""

    async def run() -> None:
        port, stopped = free_port(), asyncio.Event()
        forward = Forward(End("", LOOPBACK, port), End("", LOOPBACK, target), datagrams)
        relay = asyncio.create_task(serve([forward], stopped))
        await asyncio.sleep(0.05)
        try:
            await asyncio.wait_for(work(port), 5)
        finally:
            stopped.set()
            await relay

    asyncio.run(run())


async def upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with capitals once the other side has said everything."""
    writer.write((await reader.read()).upper())
    writer.close()


def test_a_connection_is_carried_both_ways_and_half_closed() -> None:
    target = free_port()

    async def work(port: int) -> None:
        async with await asyncio.start_server(upper, LOOPBACK, target):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.write(b"bonjour" * 20_000)
            writer.write_eof()
            assert await reader.read() == b"BONJOUR" * 20_000
            writer.close()

    relayed(target, work)


def test_a_target_that_does_not_answer_ends_only_that_connection() -> None:
    target = free_port()

    async def work(port: int) -> None:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        async with await asyncio.start_server(upper, LOOPBACK, target):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.write(b"encore")
            writer.write_eof()
            assert await reader.read() == b"ENCORE"
            writer.close()

    relayed(target, work)


def test_datagrams_are_answered_to_whom_asked() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((LOOPBACK, 0))
        server.settimeout(5)

        async def work(port: int) -> None:
            loop = asyncio.get_running_loop()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.setblocking(False)
                client.connect((LOOPBACK, port))
                await loop.sock_sendall(client, b"portail?")
                question, sender = await asyncio.to_thread(server.recvfrom, 100)
                server.sendto(question.upper(), sender)
                assert await loop.sock_recv(client, 100) == b"PORTAIL?"

        relayed(server.getsockname()[1], work, datagrams=True)


def test_what_a_cloud_relays() -> None:
    layout = Layout("test1", 2, Path("/nowhere"))
    carried = forwards(layout)
    bastion = next(f for f in carried if f.source.port == layout.port("bastion"))
    assert bastion.source == End("", LOOPBACK, layout.port("bastion"))
    assert bastion.target == End("agglo-test1-ext", BASTION_ADDRESS, 22)
    keystone = next(f for f in carried if f.source.port == layout.port("keystone"))
    assert keystone.source == End("agglo-test1-ext", LOOPBACK, layout.port("keystone"))
    assert keystone.target == End("", LOOPBACK, layout.port("keystone"))
    dns = [f for f in carried if f.target.port == layout.port("dns")]
    assert {(f.source.host, f.source.port, f.datagrams) for f in dns} == {
        ("198.51.100.1", 53, True),
        ("198.51.100.1", 53, False),
    }
