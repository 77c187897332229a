"""The LAN link over loopback: the suite of all links, pairing of run ids, and what a hostile neighbour can do."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from chasqui.base.errors import PeerError
from chasqui.base.limits import FRAME_BYTES_MAX
from chasqui.links import session as session_module
from chasqui.links.announcement import Announcement, RunId, seal_announcement
from chasqui.links.framing import framed, hello
from chasqui.links.identity import make_identity, run_id_of
from chasqui.links.lan import LanLink
from chasqui.links.lan_limits import (
    GROUP_V4,
    NEIGHBOURS_MAX,
    NEIGHBOURS_PER_ADDRESS_MAX,
    UNGREETED_MAX,
    UNGREETED_PER_ADDRESS_MAX,
)
from chasqui.links.places import find_places
from chasqui.node.link_port import LinkProfile, SessionId, SessionLink
from tests.links.conformance import CHECKS, Pair, run_check
from tests.links.hosts import FAST, Host, Recorder, free_udp_port, joined, run_in, wait_for

HERE = "127.0.0.1"


class LanPair:
    """Two daemons, on loopback or in two namespaces."""

    sizes = (1, 2, 127, 128, 207, 1_400, 16_384, 16_385, FRAME_BYTES_MAX)

    def __init__(self, port: int, namespaces: Sequence[str | None] = (None, None, None)) -> None:
        self.port = port
        self.namespaces = namespaces
        self.ends = [self._new(0), self._new(1)]

    def _new(self, end: int) -> Host:
        name = self.namespaces[end]
        return Host(self.port, namespace=name, addresses=[HERE] if name is None else None)

    @property
    def profiles(self) -> Sequence[LinkProfile]:
        return [host.link.profile for host in self.ends]

    async def carry(self, start: int, payloads: Sequence[bytes]) -> list[bytes]:
        return await asyncio.to_thread(self._carry, start, payloads)

    def _carry(self, start: int, payloads: Sequence[bytes]) -> list[bytes]:
        wait_for(lambda: joined(*self.ends), "a session")
        there = self.ends[1 - start].events
        before = len(there.got)
        self.ends[start].send(payloads)
        wait_for(lambda: len(there.got) - before >= len(payloads), "all frames", 40)
        return there.got[before:]

    def offer_illegal(self, start: int, payload: bytes) -> None:
        wait_for(lambda: joined(*self.ends), "a session")
        self.ends[start].send([payload])

    async def restart(self, end: int) -> None:
        def work() -> None:
            self.ends[end].stop()
            wait_for(lambda: not self.ends[1 - end].events.open, "the end of the session")
            self.ends[end] = self._new(end)

        await asyncio.to_thread(work)

    async def disturb(self, dice: random.Random) -> None:
        await asyncio.to_thread(self._disturb, dice)

    def _disturb(self, dice: random.Random) -> None:
        wait_for(lambda: joined(*self.ends), "a session")
        targets = [where for host in self.ends for where in host.listeners() if len(where) == 2]
        run_in(self.namespaces[2], lambda: disturb(self.port, targets, dice))

    async def cut(self) -> None:
        def work() -> None:
            wait_for(lambda: joined(*self.ends), "a session")
            self.ends[1].go_silent()
            wait_for(lambda: not self.ends[0].events.open, "the end of a silent session")

        await asyncio.to_thread(work)

    def close(self) -> None:
        for host in self.ends:
            host.stop()


def disturb(port: int, targets: Sequence[tuple[str, int]], dice: random.Random) -> None:
    """Random and half-right bytes at the UDP port and at the TCP ports."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        if targets[0][0] == HERE:
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(HERE))
        for number in range(120):
            data = dice.randbytes(dice.choice((0, 1, 39, 40, 41, 1400)))
            if number % 4 == 0:  # a true announcement of nobody
                data = seal_announcement(
                    Announcement(RunId(dice.randbytes(16)), dice.randrange(1, 65536)), dice.randbytes(16)
                )
            with suppress(OSError):
                udp.sendto(data, (GROUP_V4, port))
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for number in range(6):
        for target in targets:
            with suppress(OSError), socket.create_connection(target, timeout=3) as tcp:
                if number % 2:
                    with context.wrap_socket(tcp) as tls:
                        if number == 3:
                            tls.sendall(framed(hello(RunId(bytes(16)))))
                        tls.sendall(dice.randbytes(dice.choice((1, 19, 3000))))
                else:
                    tcp.sendall(dice.randbytes(500))


@pytest.mark.must("M-LAN-8")
@pytest.mark.must("M-LAN-10")
@pytest.mark.must("M-LAN-13")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conformance(check: Callable[[Pair], object]) -> None:
    @asynccontextmanager
    async def factory() -> AsyncIterator[Pair]:
        pair = LanPair(free_udp_port())
        try:
            yield pair
        finally:
            await asyncio.to_thread(pair.close)

    run_check(factory, check)


@pytest.fixture
def port() -> int:
    return free_udp_port()


def test_it_is_a_session_link() -> None:
    link: SessionLink = LanLink(entropy=os.urandom)
    assert link.state == "not running"
    link.send(SessionId(1), b"to nobody")
    link.close(SessionId(1))


@pytest.mark.must("M-LAN-7")
def test_five_started_at_once_hold_exactly_one_session_per_pair(port: int) -> None:
    hosts = [Host(port, addresses=[HERE]) for _ in range(5)]
    try:
        wait_for(lambda: joined(*hosts), "ten sessions")
        time.sleep(1.0)
        assert joined(*hosts)
        assert [host.events.opened_ever for host in hosts] == [4] * 5, "none was made twice"
        assert hosts[0].link.state == "4 neighbours on 1 network"
    finally:
        for host in hosts:
            host.stop()


def test_sessions_are_closed_when_the_link_ends(port: int) -> None:
    first, second = Host(port, addresses=[HERE]), Host(port, addresses=[HERE])
    wait_for(lambda: joined(first, second), "a session")
    first.send([bytes(60_000)] * 20)
    first.stop()
    assert first.events.open == []
    wait_for(lambda: second.events.open == [], "the end")
    assert len(second.events.got) == 20, "what was queued went out first"
    assert second.link.state == "looking for neighbours on 1 network"
    second.stop()


def test_an_address_that_is_not_there_says_so(port: int) -> None:
    host = Host(port, addresses=["192.0.2.77"])
    wait_for(lambda: host.link.state != "not running", "a state")
    assert host.link.state == "no network; waiting for one"
    host.stop()


def test_a_link_runs_again_after_it_ended(port: int) -> None:
    other = Host(port, addresses=[HERE])
    link = LanLink(entropy=os.urandom, addresses=[HERE], port=port, pace=FAST)

    async def once() -> RunId:
        events = Recorder()
        task = asyncio.create_task(link.run(events))
        await asyncio.to_thread(wait_for, lambda: len(events.open) == 1, "a session")
        run_id = link.own_run_id
        with pytest.raises(RuntimeError):
            await link.run(events)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert events.open == []
        return run_id

    assert asyncio.run(once()) != asyncio.run(once())
    assert not link._all
    assert not link._leaving
    assert not link._tasks
    assert link._queued_bytes == 0
    other.stop()


def test_an_owner_who_fails_ends_the_link(port: int) -> None:
    first, second = Host(port, addresses=[HERE]), Host(port, addresses=[HERE])
    wait_for(lambda: joined(first, second), "a session")

    def broken(session: SessionId, frame: bytes) -> None:
        raise ZeroDivisionError

    second.events.received = broken  # type: ignore[method-assign]
    first.send([b"x"])
    second._thread.join(10)
    assert isinstance(second.error, ZeroDivisionError)
    first.stop()


def test_a_peer_error_of_the_owner_closes_that_session_and_it_comes_back(port: int) -> None:
    first, second = Host(port, addresses=[HERE]), Host(port, addresses=[HERE])
    wait_for(lambda: joined(first, second), "a session")

    def refuse(session: SessionId, frame: bytes) -> None:
        raise PeerError("against the rules")

    second.events.received = refuse  # type: ignore[method-assign]
    first.send([b"x", b"y"])
    wait_for(lambda: first.events.opened_ever == 2 and joined(first, second), "a second session")
    for host in (first, second):
        host.stop()


class Stranger:
    """A TLS client without our program's manners."""

    def __init__(self, target: tuple[str, int]) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        tcp = socket.create_connection(target, timeout=5)
        try:
            self.tls = context.wrap_socket(tcp)
        except BaseException:
            tcp.close()
            raise

    def __del__(self) -> None:
        if hasattr(self, "tls"):
            self.tls.close()

    def greet(self, run_id: bytes) -> None:
        self.tls.sendall(framed(hello(RunId(run_id))))

    def hung_up(self) -> bool:
        """Whether the other side ends it, read to the end."""
        self.tls.settimeout(10)
        try:
            while self.tls.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True


@pytest.fixture
def lonely(port: int) -> Iterator[Host]:
    host = Host(port, addresses=[HERE])
    wait_for(lambda: bool(host.listeners()), "a listener")
    yield host
    host.stop()


@pytest.mark.must("M-LAN-6")
def test_the_higher_run_id_may_not_dial(lonely: Host) -> None:
    stranger = Stranger(lonely.listeners()[0])
    stranger.greet(b"\xff" * 16)
    assert stranger.hung_up()
    assert lonely.events.opened_ever == 0


@pytest.mark.must("M-LAN-6")
def test_nobody_is_his_own_neighbour(lonely: Host) -> None:
    stranger = Stranger(lonely.listeners()[0])
    stranger.greet(lonely.do(lambda: lonely.link.own_run_id))
    assert stranger.hung_up()
    assert lonely.events.opened_ever == 0


@pytest.mark.must("M-LAN-7")
def test_a_neighbour_who_dials_again_replaces_his_older_session(lonely: Host) -> None:
    older, newer = (Stranger(lonely.listeners()[0]) for _ in range(2))
    older.greet(bytes(16))
    wait_for(lambda: len(lonely.events.open) == 1, "the older one")
    newer.greet(bytes(16))
    assert older.hung_up()
    wait_for(lambda: lonely.events.opened_ever == 2, "the newer one")
    assert len(lonely.events.open) == 1


@pytest.mark.must("M-LAN-6")
def test_garbage_behind_the_handshake_is_cut(lonely: Host) -> None:
    stranger = Stranger(lonely.listeners()[0])
    stranger.tls.sendall(framed(b"GET / HTTP/1.1"))
    assert stranger.hung_up()
    wait_for(lambda: not lonely.link._all and not lonely.link._gate.waiting, "nothing left of it")


@pytest.mark.must("M-LAN-9")
def test_who_stalls_in_the_handshake_or_before_the_hello_is_cut(lonely: Host) -> None:
    with socket.create_connection(lonely.listeners()[0]) as tcp:
        stranger = Stranger(lonely.listeners()[0])
        wait_for(lambda: lonely.link._gate.waiting == 2, "two that are not greeted")
        tcp.settimeout(10)
        assert tcp.recv(1) == b""
        assert stranger.hung_up()
        wait_for(lambda: not lonely.link._all and not lonely.link._gate.waiting, "nothing left of them")


@pytest.mark.must("M-LAN-12")
def test_a_flood_of_empty_frames_is_cut(lonely: Host) -> None:
    stranger = Stranger(lonely.listeners()[0])
    stranger.greet(bytes(16))
    wait_for(lambda: len(lonely.events.open) == 1, "a session")
    with suppress(OSError):
        stranger.tls.sendall(bytes(2 * 10_000))
    assert stranger.hung_up()
    assert lonely.events.got == []


@pytest.mark.must("M-LAN-12")
def test_a_flood_of_small_frames_is_slowed_and_loses_nothing(lonely: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "FRAMES_PER_SECOND_MAX", 2_000)
    stranger = Stranger(lonely.listeners()[0])
    stranger.greet(bytes(16))
    wait_for(lambda: len(lonely.events.open) == 1, "a session")
    stranger.tls.sendall(framed(b"x") * 5_000)
    wait_for(lambda: len(lonely.events.got) == 5_000, "all of them")


@pytest.mark.must("M-LAN-10")
def test_one_byte_at_a_time_does_not_keep_a_session(lonely: Host) -> None:
    stranger = Stranger(lonely.listeners()[0])
    stranger.greet(bytes(16))
    stranger.tls.sendall(b"\xff\xff")

    def drip() -> None:
        with suppress(OSError):
            while True:
                stranger.tls.sendall(b"x")
                time.sleep(0.1)

    threading.Thread(target=drip, daemon=True).start()
    wait_for(lambda: lonely.events.opened_ever == 1 and not lonely.events.open, "the cut")


@pytest.mark.must("M-LAN-11")
def test_who_never_reads_is_cut_and_others_go_on(port: int, lonely: Host) -> None:
    stranger = Stranger(lonely.listeners()[0])
    stranger.greet(bytes(16))
    wait_for(lambda: len(lonely.events.open) == 1, "the one who never reads")
    [deaf] = lonely.events.open
    other = Host(port, addresses=[HERE])
    wait_for(lambda: len(lonely.events.open) == 2, "the other")
    [good] = [session for session in lonely.events.open if session != deaf]

    def work() -> None:
        for _ in range(400):
            lonely.link.send(deaf, bytes(60_000))
        lonely.link.send(good, b"good")

    lonely.do(work)
    wait_for(lambda: deaf not in lonely.events.open, "the cut")
    wait_for(lambda: other.events.got == [b"good"], "the other's frame")
    assert lonely.link._queued_bytes == 0
    other.stop()


@pytest.mark.must("M-LAN-11")
def test_a_queue_beyond_its_bound_ends_the_session_at_once(lonely: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "QUEUE_BYTES_MAX", 1_000_000)
    stranger = Stranger(lonely.listeners()[0])
    stranger.greet(bytes(16))
    wait_for(lambda: len(lonely.events.open) == 1, "a session")
    [session] = lonely.events.open

    def work() -> tuple[int, bool]:
        for _ in range(16):
            lonely.link.send(session, bytes(60_000))
        held = lonely.link.queued_bytes(session)
        lonely.link.send(session, bytes(60_000))
        return held, session in lonely.events.open

    assert lonely.do(work) == (960_000, False)
    assert lonely.link.queued_bytes(session) == 0


@pytest.mark.must("M-LAN-9")
def test_a_thousand_connections_are_bounded_and_go_away(port: int, lonely: Host) -> None:
    target = lonely.listeners()[0]
    crowd: list[socket.socket] = []
    worst = 0
    try:
        for number in range(1_000):
            sock = socket.socket()
            sock.setblocking(False)
            with suppress(OSError):
                sock.connect(target)
            crowd.append(sock)
            if number % 50 == 0:
                worst = max(worst, lonely.do(lambda: len(lonely.link._all)))
        assert 0 < worst <= UNGREETED_PER_ADDRESS_MAX < UNGREETED_MAX
    finally:
        for sock in crowd:
            sock.close()
    wait_for(lambda: not lonely.link._gate.waiting, "all gone")
    other = Host(port, addresses=[HERE])
    wait_for(lambda: joined(lonely, other), "a true neighbour")
    other.stop()


@pytest.mark.must("M-LAN-14")
def test_a_flood_of_forged_announcements_is_bounded_and_shuts_nobody_out(port: int, lonely: Host) -> None:
    dice = random.Random(4)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(HERE))
        for _ in range(1_000):
            forged = Announcement(RunId(dice.randbytes(16)), dice.randrange(1, 65536))
            udp.sendto(seal_announcement(forged, dice.randbytes(16)), (GROUP_V4, port))
    wait_for(lambda: len(lonely.link._neighbours) == NEIGHBOURS_PER_ADDRESS_MAX, "a full table")

    def spoofed() -> int:
        place = next(iter(lonely.link._presences))
        for number in range(3_000):
            lonely.link._heard(place, f"127.0.{number >> 8}.{number & 255}", Announcement(RunId(dice.randbytes(16)), 9))
        return len(lonely.link._neighbours)

    assert lonely.do(spoofed) == NEIGHBOURS_MAX
    other = Host(port, addresses=[HERE])
    wait_for(lambda: joined(lonely, other), "a true neighbour")
    other.stop()


@pytest.mark.must("M-LAN-4")
def test_an_announcement_of_another_run_id_is_found_out(port: int, lonely: Host) -> None:
    """The dialler checks that the certificate belongs to the run id that was announced."""
    identity = make_identity(os.urandom)
    hellos: list[bytes] = []
    with socket.create_server((HERE, 0)) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(HERE))
        claimed = RunId(b"\xff" * 16)
        udp.sendto(seal_announcement(Announcement(claimed, server.getsockname()[1]), bytes(16)), (GROUP_V4, port))
        server.settimeout(10)
        tcp, _ = server.accept()
        tcp.settimeout(10)
        with tcp, suppress(OSError), identity.accepting.wrap_socket(tcp, server_side=True) as tls:
            hellos.append(tls.recv(100))
            tls.sendall(framed(hello(claimed)))
    assert lonely.events.opened_ever == 0
    assert hellos in ([], [b""]), "not even our run id was said to him"


@pytest.mark.must("M-LAN-13")
def test_nothing_is_logged_while_strangers_disturb(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    pair = LanPair(free_udp_port())
    try:
        pair._disturb(random.Random(2))
        pair._carry(0, [b"still here"])
    finally:
        pair.close()
    assert caplog.records == []


def test_the_state_names_no_address(lonely: Host) -> None:
    assert not any(sign.isdigit() for sign in lonely.link.state.replace("1 network", ""))


@pytest.mark.must("M-LAN-3")
def test_loopback_and_tunnels_are_left_out_unless_named() -> None:
    assert all(not place.network.is_loopback for place in find_places())
    [place] = find_places([HERE])
    assert place.holds((HERE, 5))
    assert not place.holds(("10.0.0.1", 5))
    assert not place.holds(("::1", 5, 0, 0))
    assert not place.holds(("no address", 5))


@pytest.mark.must("M-LAN-1")
def test_an_identity_is_fresh_and_its_certificate_says_nothing() -> None:
    first, second = make_identity(os.urandom), make_identity(os.urandom)
    assert first.run_id != second.run_id
    assert run_id_of(b"x") == run_id_of(b"x") != run_id_of(b"y")
    assert "Context" not in repr(first)
    same = [make_identity(random.Random(5).randbytes).run_id for _ in range(2)]
    assert same[0] == same[1], "all of it comes from the entropy that is given"


@pytest.mark.must("M-LAN-1")
def test_no_file_is_left_where_memory_has_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    make_identity(os.urandom)
    assert list(tmp_path.iterdir()) == []


def test_the_times_are_in_proportion() -> None:
    for pace in (FAST, LanLink(entropy=os.urandom).pace):
        assert pace.keepalive_s * 1.5 * 2 < pace.silent_s, "one lost keepalive ends nothing"
        assert pace.announce_max_s * 1.5 < pace.forget_s
