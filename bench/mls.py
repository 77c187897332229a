"""MLS beside a Rust implementation (mls-rs through agentvault-mls-rs-uniffi), both as members of the same groups.

Warm: every parent node of the tree is set (all members came by external commits). Cold: one commit added everybody,
so an update goes to each member singly. Both sides do the same work on the same tree; times are the best of a few.
"""

from __future__ import annotations

import hashlib
import importlib
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from typing import Any, TypeVar

from chasqui.mls import (
    AddProposal,
    CipherSuite,
    GroupState,
    KeyPackageKeys,
    RemoveProposal,
    create_group,
    join,
    join_external,
    make_key_package,
)

SIZES = (2, 8, 32, 128, 512)
SIZES_HYBRID = (8, 32)
GROUP_ID = b"bench-01"
SLOWER_MAX = 5
"""How many times slower than the partner processing a commit may be."""

MEMORY_GROWTH_MAX = 1.25
"""Memory of a state per member, at four times as many members."""

Row = dict[str, Any]
T = TypeVar("T")


def _some(value: T | None) -> T:
    """What is there whenever this bench runs as it should."""
    if value is None:
        raise ValueError("the bench's own group is broken")
    return value


class _Entropy:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self, length: int) -> bytes:
        self.count += 1
        return hashlib.shake_128(b"bench" + self.count.to_bytes(8, "big")).digest(length)


def _ms(call: Callable[[], object], repeat: int) -> float:
    best = float("inf")
    for _ in range(repeat):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return best * 1e3


class _Partner:
    """One member in Rust. Its verbs change it, so each call is timed as it happens; the best of several counts."""

    def __init__(self, name: bytes) -> None:
        self.rs: Any = importlib.import_module("mls_rs_uniffi")
        pair = self.rs.generate_signature_keypair(self.rs.CipherSuite.CURVE25519_AES128)
        self.client: Any = self.rs.Client(name, pair, self.rs.client_config_default())
        self.group: Any = None

    def key_package(self) -> Any:
        return self.client.generate_key_package_message()

    def message(self, data: bytes) -> Any:
        return self.rs.Message.from_bytes(data)

    def join(self, welcome: bytes) -> float:
        message = self.message(welcome)
        return _ms(lambda: setattr(self, "group", self.client.join_group(None, message).group), 1)

    def process(self, message: bytes) -> float:
        received = self.message(message)
        return _ms(lambda: self.group.process_incoming_message(received), 1)

    def make(self, call: Callable[[], Any]) -> tuple[float, Any]:
        """Time and output of a commit, which is then applied."""
        out: list[Any] = []
        took = _ms(lambda: out.append(call()), 1)
        self.group.process_incoming_message(out[0].commit_message)
        return took, out[0]


def _external_peer(group_info: bytes) -> tuple[float | None, int | None]:
    """Time and size of an external commit by rine-mls, the partner that has them."""
    try:
        rine: Any = importlib.import_module("rine_mls")
    except ImportError:
        return None, None
    with tempfile.TemporaryDirectory() as folder:
        client = rine.MlsClient(folder, bytes(32), 1)
        out: list[Any] = []
        took = _ms(lambda: out.append(client.join_by_external_commit(group_info)), 1)
        return took, len(out[0].last_commit().commit)


class _Bench:
    def __init__(self, size: int, suite: int = 1) -> None:
        self.size = size
        self.suite = suite
        self.repeat = 5 if size <= 128 else 3
        self.entropy = _Entropy()
        self.now = int(time.time())
        self.rows: list[Row] = []

    def row(self, name: str, value: float, unit: str, peer: float | None = None, **more: Any) -> None:
        digits = 0 if unit == "B" else 3
        self.rows.append(
            {
                "name": f"mls{' X-Wing' * (self.suite == CipherSuite.XWING_CHACHA)} n={self.size} {name}",
                "value": round(value, digits),
                "unit": unit,
                "bound": more.get("bound"),
                "peer": None if peer is None else round(peer, digits),
                "note": more.get("note"),
            }
        )

    def keys(self, name: str) -> KeyPackageKeys:
        return make_key_package(self.suite, name.encode().ljust(16), self.entropy, self.now, 86_400)

    def partner(self, name: bytes = b"partner") -> _Partner | None:
        try:
            return _Partner(name.ljust(16))
        except ImportError:
            return None

    def warm(self, partner: _Partner | None) -> tuple[GroupState, _Partner | None]:
        """Our state in a group of `size` whose tree is full, the partner being a member."""
        state = create_group(self.suite, GROUP_ID, self.keys("founder"), self.entropy)
        for number in range(self.size - 2):
            info = state.group_info(external_pub=True)
            state = join_external(info, self.keys(f"member {number}"), self.entropy).state
        if partner is None:
            joined = join_external(state.group_info(external_pub=True), self.keys("last"), self.entropy)
            return joined.state, None
        made = state.commit([AddProposal(partner.key_package().to_bytes()[4:])], self.entropy, self.now)
        partner.join(_some(made.welcome))
        _, output = partner.make(partner.group.commit)
        return _some(made.state.process(output.commit_message.to_bytes()).state), partner

    def run(self) -> list[Row]:
        state, partner = self.warm(self.partner())
        state = self.updates(state, partner)
        self.changes(state, partner)
        self.messages(state, partner)
        self.saved(state)
        self.cold()
        return self.rows

    def hybrid(self) -> list[Row]:
        """What the hybrid suite costs; no partner has it at our code point."""
        state, _ = self.warm(None)
        keys = self.keys("newcomer")
        added = state.commit([AddProposal(keys.key_package)], self.entropy, self.now)
        welcome = _some(added.welcome)
        update = added.state.commit([], self.entropy, self.now)
        joined = join(welcome, keys)
        self.row("key package: size", len(keys.key_package), "B")
        self.row("update warm: make", _ms(lambda: added.state.commit([], self.entropy, self.now), self.repeat), "ms")
        self.row("update warm: size", len(update.message), "B")
        self.row("update warm: process", _ms(lambda: joined.process(update.message), self.repeat), "ms")
        self.row("welcome with tree: size", len(welcome), "B")
        self.row("welcome: join", _ms(lambda: join(welcome, keys), self.repeat), "ms")
        self.row("state", len(joined.without_message_secrets().to_bytes()), "B")
        return self.rows

    def updates(self, state: GroupState, partner: _Partner | None) -> GroupState:
        ours, sizes, theirs, peer_sizes, process, peer_process = [], [], [], [], [], []
        for _ in range(self.repeat):
            ours.append(_ms(lambda s=state: s.commit([], self.entropy, self.now), 2))  # type: ignore[misc]
            made = state.commit([], self.entropy, self.now)
            sizes.append(len(made.message))
            state = made.state
            if partner is None:
                continue
            peer_process.append(partner.process(made.message))
            took, output = partner.make(partner.group.commit)
            data = output.commit_message.to_bytes()
            theirs.append(took)
            peer_sizes.append(len(data))
            process.append(_ms(lambda s=state, d=data: s.process(d), 2))  # type: ignore[misc]
            state = _some(state.process(data).state)
        self.row("update warm: make", min(ours), "ms", min(theirs, default=None))
        self.row("update warm: size", max(sizes), "B", max(peer_sizes, default=None))
        if partner is not None:
            bound = f"<= {SLOWER_MAX} x peer" if self.size == 128 else None
            self.row("update warm: process", min(process), "ms", min(peer_process), bound=bound)
        return state

    def changes(self, state: GroupState, partner: _Partner | None) -> None:
        """Add, welcome, remove, external commit; each on the same warm tree."""
        keys = self.keys("newcomer")
        request = [AddProposal(keys.key_package)]
        made = state.commit(request, self.entropy, self.now)
        welcome = _some(made.welcome)
        leaf = made.added[0].leaf
        names = ("add", "size", "process", "join", "remove", "rsize", "removed", "entered")
        peer: dict[str, float | None] = dict.fromkeys(names)
        ours: dict[str, float] = {}
        if partner is not None:
            newcomer = _Partner(b"second".ljust(16))
            peer["process"] = partner.process(made.message)
            removal = made.state.commit([RemoveProposal(leaf)], self.entropy, self.now)
            peer["removed"] = partner.process(removal.message)
            peer["add"], output = partner.make(lambda: partner.group.add_members([newcomer.key_package()]))
            added = output.commit_message.to_bytes()
            peer["size"] = len(added)
            peer["join"] = newcomer.join(output.welcome_message.to_bytes())
            target = [newcomer.client.signing_identity()]
            peer["remove"], output = partner.make(lambda: partner.group.remove_members(target))
            gone = output.commit_message.to_bytes()
            peer["rsize"] = len(gone)
            there = _some(removal.state.process(added).state)
            ours["add"] = _ms(lambda: removal.state.process(added), self.repeat)
            ours["remove"] = _ms(lambda: there.process(gone), self.repeat)
            here = _some(there.process(gone).state)
            entry = join_external(here.group_info(external_pub=True), self.keys("outsider"), self.entropy).message
            peer["entered"] = partner.process(entry)
            ours["entry"] = _ms(lambda: here.process(entry), self.repeat)
        repeat = self.repeat
        self.row("create", _ms(self._create, repeat), "ms", self._peer_create())
        self.row("add: make", _ms(lambda: state.commit(request, self.entropy, self.now), repeat), "ms", peer["add"])
        self.row("add: size", len(made.message), "B", peer["size"], note="without a path; mls-rs puts one in")
        self.row("welcome with tree: size", len(welcome), "B")
        self.row("welcome: join", _ms(lambda: join(welcome, keys), repeat), "ms", peer["join"])
        if "add" in ours:
            note = "each takes the other's; mls-rs puts a path in"
            self.row("add: process", ours["add"], "ms", peer["process"], note=note)
        remove = [RemoveProposal(leaf)]
        after = made.state
        removed = after.commit(remove, self.entropy, self.now)
        took = _ms(lambda: after.commit(remove, self.entropy, self.now), repeat)
        self.row("remove: make", took, "ms", peer["remove"])
        self.row("remove: size", len(removed.message), "B", peer["rsize"])
        if "remove" in ours:
            self.row("remove: process", ours["remove"], "ms", peer["removed"], note="each takes the other's")
        info = state.group_info(external_pub=True)
        entered = join_external(info, keys, self.entropy)
        peer_make, peer_size = _external_peer(info)
        note = "the tree was full and doubles: short path; the peer is rine-mls, which also writes to disk"
        took = _ms(lambda: join_external(info, keys, self.entropy), repeat)
        self.row("external commit: make", took, "ms", peer_make, note=note)
        self.row("external commit: size", len(entered.message), "B", peer_size)
        took = ours.get("entry") or _ms(lambda: state.process(entered.message), repeat)
        self.row("external commit: process", took, "ms", peer["entered"])

    def _create(self) -> GroupState:
        return create_group(self.suite, GROUP_ID, self.keys("founder"), self.entropy)

    def _peer_create(self) -> float | None:
        partner = self.partner()
        return None if partner is None else _ms(lambda: partner.client.create_group(GROUP_ID), self.repeat)

    def messages(self, state: GroupState, partner: _Partner | None) -> None:
        text = bytes(100)
        sent, _ = state.encrypt(text, b"", self.entropy)
        encrypt = _ms(lambda: state.encrypt(text, b"", self.entropy), self.repeat)
        self.row("private message of 100 B: size", len(sent), "B")
        if partner is None or self.size < 2:
            self.row("private message: encrypt", encrypt, "ms")
            return
        # `changes` moved the partner on; messages are measured in a group of their own.
        fresh, found = _Bench(min(self.size, 32)).warm(self.partner())
        other = _some(found)
        theirs, ours, opened = [], [], []
        for _ in range(self.repeat):
            out: list[Any] = []
            theirs.append(_ms(lambda o=out: o.append(other.group.encrypt_application_message(text)), 1))  # type: ignore[misc]
            data = out[0].to_bytes()
            ours.append(_ms(lambda s=fresh, d=data: s.decrypt(d), 2))  # type: ignore[misc]
            sent, fresh = fresh.encrypt(text, b"", self.entropy)
            opened.append(other.process(sent))
        self.row("private message: encrypt", encrypt, "ms", min(theirs))
        self.row("private message: decrypt", min(ours), "ms", min(opened))

    def saved(self, state: GroupState) -> None:
        small = state.without_message_secrets()
        data = small.to_bytes()
        self.row("state", len(data), "B", note="as chasqui keeps it, without a secret tree")
        self.row("state per member", len(data) / self.size, "B")
        self.row("state: save", _ms(small.to_bytes, self.repeat), "ms")
        self.row("state: load", _ms(lambda: GroupState.from_bytes(data), self.repeat), "ms")
        tracemalloc.start()
        loaded = GroupState.from_bytes(data)
        members = len(loaded.members)
        memory = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        self.row("state: memory", memory, "B", note="loaded, all leaves decoded; by tracemalloc")
        self.row("state: memory per member", memory / members, "B")

    def cold(self) -> None:
        """One commit adds everybody; then the first update: ours, which a partner takes, and another partner's own."""
        if self.size == 2:
            return
        partner, reader = self.partner(), self.partner(b"reader")
        partners = [item for item in (partner, reader) if item is not None]
        keys = [self.keys(f"cold {number}") for number in range(self.size - 1 - len(partners))]
        packages = [item.key_package for item in keys]
        packages += [item.key_package().to_bytes()[4:] for item in partners]
        founder = self._create()
        requests = [AddProposal(data) for data in packages]
        self.row("add all others: make", _ms(lambda: founder.commit(requests, self.entropy, self.now), 2), "ms")
        made = founder.commit(requests, self.entropy, self.now)
        welcome, key = _some(made.welcome), keys[0]
        update = made.state.commit([], self.entropy, self.now)
        peer = peer_make = peer_size = peer_process = None
        if partner is not None and reader is not None:
            peer = min(partner.join(welcome), reader.join(welcome))
            peer_make, output = partner.make(partner.group.commit)
            peer_size = len(output.commit_message.to_bytes())
            peer_process = reader.process(update.message)
        self.row("welcome among many: join", _ms(lambda: join(welcome, key), 2), "ms", peer)
        took = _ms(lambda: made.state.commit([], self.entropy, self.now), 3)
        self.row("update cold: make", took, "ms", peer_make)
        self.row("update cold: size", len(update.message), "B", peer_size)
        joined = join(welcome, key)
        bound = f"<= {SLOWER_MAX} x peer" if self.size == 128 and reader is not None else None
        took = _ms(lambda: joined.process(update.message), 3)
        self.row("update cold: process", took, "ms", peer_process, bound=bound, note="each takes the same commit")


def _growth(found: list[Row]) -> Row:
    """Memory is linear in the members: per member, the largest group takes hardly more than one a quarter its size."""
    of = {row["name"]: row["value"] for row in found}
    large, small = (of[f"mls n={size} state: memory per member"] for size in SIZES[:-3:-1])
    return {
        "name": f"mls memory per member: n={SIZES[-1]} over n={SIZES[-2]}",
        "value": round(large / small, 3),
        "unit": "x",
        "bound": f"<= {MEMORY_GROWTH_MAX}",
        "peer": None,
        "note": "1 where memory is linear in n, 4 where it is quadratic",
    }


def figures() -> list[Row]:
    """Times in ms and sizes in bytes for each group size; `peer` is mls-rs doing the same work."""
    found: list[Row] = []
    for size in SIZES:
        found += _Bench(size).run()
    found.append(_growth(found))
    for size in SIZES_HYBRID:
        found += _Bench(size, CipherSuite.XWING_CHACHA).hybrid()
    return found
