"""Carry connections between network namespaces.

From this machine's loopback to the bastion, the edge and the Vault of a cloud; from its outside to its DNS server, and
to keystone and designate, which guests may ask; from the outside's own loopback to all services' APIs (for Tempest,
which also opens floating IPs).
A process of its own (``python -m agglo_devcloud.relay NAME SLOT BASE``). A socket belongs for life to the namespace
that its thread was in when it was made; so threads enter a namespace, make a socket and hand it over.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from agglo_devcloud import processes
from agglo_devcloud.layout import (
    BASTION_ADDRESS,
    DNS_API_PUBLIC_PORT,
    EDGE_ADDRESS,
    IDENTITY_PUBLIC_PORT,
    LOOPBACK,
    PUBLIC_GATEWAY,
    VAULT_PUBLIC_PORT,
    Layout,
)
from agglo_devcloud.settings import SERVICES

NAME = "relay"
DNS_PORT = 53
_CHUNK = 65536
_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 5.0  # a resolver asks again after as long
_CLONE_NEWNET = 0x40000000
_IP_FREEBIND = 15  # listen on an address that is not there yet


@dataclass(frozen=True)
class End:
    """An address in the network namespace ``netns`` (empty: this machine's own)."""

    netns: str
    host: str
    port: int


@dataclass(frozen=True)
class Forward:
    """What arrives at ``source`` goes to ``target``."""

    source: End
    target: End
    datagrams: bool = False


def forwards(layout: Layout) -> list[Forward]:
    """What the relay of a cloud carries."""
    outside = layout.external_netns
    dns = End("", LOOPBACK, layout.port("dns"))
    dns_outside = End(outside, PUBLIC_GATEWAY, DNS_PORT)
    inward = {
        "bastion": End(outside, BASTION_ADDRESS, 22),
        "edge": End(outside, EDGE_ADDRESS, 443),
        "vault": End(outside, LOOPBACK, VAULT_PUBLIC_PORT),
    }
    loopback = [Forward(End("", LOOPBACK, layout.port(name)), end) for name, end in inward.items()]
    ports = [layout.port(name) for name in SERVICES]
    apis = [Forward(End(outside, LOOPBACK, port), End("", LOOPBACK, port)) for port in ports]
    asked = {"keystone": IDENTITY_PUBLIC_PORT, "designate": DNS_API_PUBLIC_PORT}
    apis += [
        Forward(End(outside, PUBLIC_GATEWAY, port), End("", LOOPBACK, layout.port(name)))
        for name, port in asked.items()
    ]
    return [*loopback, *apis, Forward(dns_outside, dns), Forward(dns_outside, dns, datagrams=True)]


def start(layout: Layout) -> None:
    """Start the relay unless it runs; it listens when this returns. Raises StartError."""
    if processes.find(layout, NAME):
        return
    argv: list[str | Path] = [sys.executable, "-m", "agglo_devcloud.relay", layout.name, str(layout.slot), layout.base]
    process = processes.spawn(layout, NAME, argv)
    log = layout.log / f"{NAME}.out"
    processes.wait_for(lambda: _listens(layout.port("vault")), "the relay", timeout=10, process=process, log=log)


def stop(layout: Layout) -> None:
    """End the relay if it runs."""
    processes.stop(layout, [NAME])


async def serve(carried: list[Forward], stopped: asyncio.Event) -> None:
    """Carry until ``stopped`` is set. Raises OSError when an address cannot be listened on."""
    async with contextlib.AsyncExitStack() as stack:
        for forward in carried:
            if forward.datagrams:
                endpoint = await _serve_datagrams(forward)
                stack.callback(endpoint.close)
            else:
                server = await asyncio.start_server(_carrier(forward), sock=_listen(forward.source))
                stack.callback(server.close)
        await stopped.wait()


def _listens(port: int) -> bool:
    with socket.create_connection((LOOPBACK, port), timeout=1):
        return True


def _carrier(
    forward: Forward,
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
    running: set[asyncio.Task[None]] = set()  # asyncio lets go of one whose client is gone, and it would be collected

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(carry(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward = await asyncio.wait_for(_connect(forward.target), _CONNECT_SECONDS)
        except (OSError, TimeoutError):
            writer.close()  # like a port where nothing listens
            return
        far_reader, far_writer = onward
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            far_writer.close()
            writer.close()

    return begin


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end of ``reader``, then end what ``writer`` sends; a broken side ends both."""
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.transport.abort()


async def _connect(end: End) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    made = make_socket(end.netns, socket.SOCK_STREAM)
    try:
        await asyncio.get_running_loop().sock_connect(made, (end.host, end.port))
        return await asyncio.open_connection(sock=made)
    except BaseException:
        made.close()
        raise


def _listen(end: End) -> socket.socket:
    made = make_socket(end.netns, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
    made.bind((end.host, end.port))
    return made


class _Datagrams(asyncio.DatagramProtocol):
    """Sends each datagram on from a socket of its own and its answer back."""

    def __init__(self, target: End) -> None:
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # asyncio's own is none by inheritance

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes, addr: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        with make_socket(self._target.netns, socket.SOCK_DGRAM) as onward, contextlib.suppress(OSError):
            onward.connect((self._target.host, self._target.port))
            await loop.sock_sendall(onward, data)
            answer = await asyncio.wait_for(loop.sock_recv(onward, _CHUNK), _ANSWER_SECONDS)
            if self._transport:
                self._transport.sendto(answer, addr)


async def _serve_datagrams(forward: Forward) -> asyncio.DatagramTransport:
    made = make_socket(forward.source.netns, socket.SOCK_DGRAM)
    made.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
    made.bind((forward.source.host, forward.source.port))
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(forward.target), sock=made)
    return transport


def make_socket(netns: str, kind: socket.SocketKind) -> socket.socket:
    """A non-blocking IPv4 socket in the namespace ``netns`` (empty: this machine's own). Raises OSError."""
    if not netns:
        return _socket(kind)
    made: list[socket.socket] = []
    failed: list[OSError] = []

    def work() -> None:
        try:
            _enter(netns)
            made.append(_socket(kind))
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=work)  # ends with its namespace: no thread of ours is left in it
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]


def _socket(kind: socket.SocketKind) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind)
    made.setblocking(False)
    return made


def _enter(netns: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.open(f"/run/netns/{netns}", os.O_RDONLY)
    try:
        if libc.setns(handle, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {netns}")
    finally:
        os.close(handle)


async def _main(layout: Layout) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await serve(forwards(layout), stopped)


if __name__ == "__main__":
    asyncio.run(_main(Layout(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
