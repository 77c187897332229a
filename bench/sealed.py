"""Sealing and opening of 100-byte texts: the pure path, the whole step of a node, and the bytes beside MLS.

Rates are for one core (process time), the best of several rounds. The peers' rates are those of Reticulum's LXMF,
measured on the design's machine, where one person writes to one other: it has no groups.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

from msgspec import structs
from nacl.bindings import crypto_sign_seed_keypair

from chasqui import mls
from chasqui.base.ids import EpochId, GroupId, MemberKey
from chasqui.base.limits import MINUTES_PER_DAY
from chasqui.base.schema import decode_own, encode
from chasqui.base.secret import Secret
from chasqui.groups.operation import Role
from chasqui.lab.memory_store import MemoryStore
from chasqui.node import inputs
from chasqui.node.effects import Answer, Persist
from chasqui.node.inbox import Received
from chasqui.node.node import Node
from chasqui.node.pairing import Accepted
from chasqui.node.records import BundleRecord, EpochRecord, Space
from chasqui.node.store_port import Write
from chasqui.sealed.bundle import parse_bundle, seal, unmask, unseal
from chasqui.sealed.chain import Chain, advance
from chasqui.sealed.epoch_keys import EpochSecrets, derive_epoch
from chasqui.sealed.kinds import BundleClass, Kind
from chasqui.sealed.object import Origin, make_object, read_short
from chasqui.sealed.recogniser import Recogniser

NOW_S = 1_800_000_000
DAY = NOW_S // 86_400
TEXT = "Meet at the north gate at six, bring water and the second radio. Ana has the key of the shed, so wait..."[:100]
GROUP = GroupId(b"bench-group-0001")
SIZES = (2, 8, 32, 128)
EPOCHS = (1, 10, 100)
ROUNDS = 5
BUNDLES = 2_000
STEPS = 300
PEER_ONE_PERSON_BYTES = 390
PEER_SEALS_S, PEER_OPENS_S = 7_000, 3_900

Row = dict[str, Any]


class _Entropy:
    def __init__(self, seed: str) -> None:
        self.seed = seed.encode()
        self.count = 0

    def __call__(self, n: int, /) -> bytes:
        self.count += 1
        return hashlib.shake_128(self.seed + self.count.to_bytes(8, "big")).digest(n)


def _row(name: str, value: float, unit: str, bound: str | None, peer: float | None, note: str) -> Row:
    return {"name": name, "value": value, "unit": unit, "bound": bound, "peer": peer, "note": note}


def _best(call: Callable[[], int]) -> float:
    """The shortest seconds of processor time per unit of work over some rounds; `call` gives how many it did."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        count = call()
        best = min(best, (time.process_time() - began) / count)
    return best


# -- the pure path ------------------------------------------------------------------------------------------------


class _Member:
    """One sender and one receiver in one epoch, without a store."""

    def __init__(self, leaves: int = 2) -> None:
        public, private = crypto_sign_seed_keypair(b"s" * 32)
        self.key, self.private = MemberKey(public), Secret(private)
        entropy = _Entropy("epoch")
        self.epoch = EpochId(entropy(16))
        self.leaf = leaves - 1
        self.secrets: EpochSecrets = derive_epoch(entropy(32), entropy(16), DAY, (self.leaf,))

    def seal(self, chain: Chain) -> tuple[bytes, Chain]:
        step = advance(chain, chain.counter)
        made = make_object(
            group=GROUP,
            author=self.key,
            key=self.private,
            seq=chain.counter + 1,
            minute=DAY * MINUTES_PER_DAY + 600,
            kind=Kind.TEXT,
            body=TEXT.encode(),
            receipts=b"",
            origin=Origin(self.epoch, self.leaf, chain.counter),
        )
        bundle = seal(
            made.to_short(),
            message_key=step.message_key,
            keys=self.secrets.days.keys,
            leaf=self.leaf,
            counter=chain.counter,
            bundle_class=BundleClass.TEXT,
            day=DAY,
        )
        return bundle.data, step.chain

    def seal_many(self, count: int) -> list[bytes]:
        chain = self.secrets.chains[0]
        made = []
        for _ in range(count):
            data, chain = self.seal(chain)
            made.append(data)
        return made

    def open_many(self, bundles: list[bytes], live: Recogniser) -> int:
        chain = self.secrets.chains[0]
        for data in bundles:
            bundle = parse_bundle(data, DAY)
            epoch = live.find(bundle.mark, bundle.mark_body, bundle.day)
            if epoch is None:
                raise ValueError("the bench's own bundle was not recognised")
            leaf, counter = unmask(bundle, live.keys(epoch, bundle.day))
            step = advance(chain, counter)
            plaintext = unseal(bundle, step.message_key, leaf, counter)
            read_short(plaintext, group=GROUP, author=self.key, day=bundle.day, origin=Origin(epoch, leaf, counter))
            chain = step.chain
        return len(bundles)


def _others(count: int) -> dict[EpochId, EpochSecrets]:
    entropy = _Entropy("others")
    return {EpochId(entropy(16)): derive_epoch(entropy(32), entropy(16), DAY, ()) for _ in range(count)}


def _refuse(bundles: list[bytes], live: Recogniser) -> int:
    for data in bundles:
        bundle = parse_bundle(data, DAY)
        if live.find(bundle.mark, bundle.mark_body, bundle.day) is not None:
            raise ValueError("a foreign bundle was recognised")
    return len(bundles)


def _pure() -> list[Row]:
    member = _Member()
    bundles = member.seal_many(BUNDLES)
    rows = [
        _row(
            "seal and sign, pure",
            1 / _best(lambda: len(member.seal_many(BUNDLES))),
            "1/s",
            ">= 5,000",
            PEER_SEALS_S,
            "one core; peer: Reticulum LXMF, without groups",
        )
    ]
    for count in EPOCHS:
        others = _others(count)
        days = {epoch: secrets.days for epoch, secrets in others.items()}
        foreign = Recogniser(days)
        del days[next(iter(days))]
        live = Recogniser({**days, member.epoch: member.secrets.days})  # ours is found last
        rows.append(
            _row(
                f"recognise, open and verify, pure, {count} live epochs",
                1 / _best(lambda live=live: member.open_many(bundles, live)),  # type: ignore[misc]
                "1/s",
                ">= 4,000",
                PEER_OPENS_S,
                "one core, the bundle's epoch is compared last",
            )
        )
        rows.append(
            _row(
                f"refuse a foreign bundle, pure, {count} live epochs",
                1e6 * _best(lambda foreign=foreign: _refuse(bundles, foreign)),  # type: ignore[misc]
                "us",
                "<= 50" if count == 100 else None,
                None,
                "parse, hash, compare the marks",
            )
        )
    return rows


# -- the whole step of a node -------------------------------------------------------------------------------------


class _Device:
    """A node on a store in memory; what a step wants written is applied and committed, as a runner would."""

    def __init__(self, name: str) -> None:
        self.store = MemoryStore()
        self.entropy = _Entropy(name)
        self.node = Node(self.store, self.entropy)
        self.do(inputs.SetUp(name))

    def do(self, event: inputs.Input) -> Any:
        answer = None
        for effect in self.node.step(event, NOW_S):
            if isinstance(effect, Persist):
                self.store.apply(effect.writes)
                self.store.commit()
            elif isinstance(effect, Answer):
                answer = effect.value
        return answer

    def held(self) -> list[bytes]:
        return [decode_own(data, BundleRecord).data for _, data in self.store.scan(Space.BUNDLE)]

    def give(self, other: _Device) -> None:
        self.do(inputs.Flush())
        other.do(inputs.TakeBundles(tuple(self.held())))


def _met() -> tuple[_Device, _Device, GroupId]:
    """Ana and Ben in a group of two, everything delivered."""
    ana, ben = _Device("ana"), _Device("ben")
    accepted: Accepted = ben.do(inputs.AcceptPairing(ana.do(inputs.MakeOffer()), "ana"))
    mine: Accepted = ana.do(inputs.AcceptPairing(accepted.reply or b"", "ben"))
    for _ in range(2):
        ana.give(ben)
        ben.give(ana)
    group: GroupId = ana.do(inputs.CreateGroup("convoy"))
    ana.do(inputs.AddMember(group, mine.contact, Role.MEMBER))
    ana.give(ben)
    ben.do(inputs.JoinGroup(group))
    for _ in range(2):
        ben.give(ana)
        ana.give(ben)
    return ana, ben, group


def _with_epochs(store: MemoryStore, count: int) -> MemoryStore:
    """A copy of a vault that knows so many epochs more: as if it were in other groups."""
    left = store.after_crash()
    entropy = _Entropy("more")
    record = decode_own(next(data for _, data in store.scan(Space.EPOCH, limit=1)), EpochRecord)

    writes = [
        Write(
            Space.EPOCH,
            entropy(16) + entropy(16),
            encode(structs.replace(record, mark_key=entropy(32), head_key=entropy(32), mls_state=b"")),
        )
        for _ in range(count)
    ]
    left.apply(writes)
    left.commit()
    return left


def _node() -> list[Row]:
    ana, ben, group = _met()
    rows = []

    def send() -> int:
        for _ in range(STEPS):
            ana.do(inputs.SendText(group, TEXT))
        return STEPS

    before = set(ana.held())
    rate = 1 / _best(send)
    rows.append(
        _row(
            "send a text, whole step of a node",
            rate,
            "1/s",
            ">= 5,000",
            PEER_SEALS_S,
            "sign, seal, order and keep it, receipts, store in memory",
        )
    )
    sent = [data for data in ana.held() if data not in before]
    strangers = _Member().seal_many(1000)
    base = ben.store
    for count in EPOCHS:
        known = sum(1 for _ in base.scan(Space.EPOCH))
        store = _with_epochs(base, max(0, count - known))
        timings = {}
        for name, bundles in (("take a bundle of ours", sent), ("carry a stranger's bundle", strangers)):
            best = float("inf")
            for start in range(0, min(len(bundles), 3 * STEPS), STEPS):
                device = _Device("ben")
                device.store = store.after_crash()
                device.node = Node(device.store, device.entropy)
                batch = bundles[start : start + STEPS]
                began = time.process_time()
                for data in batch:
                    answer: Received = device.do(inputs.TakeBundles((data,)))
                    if answer.new != 1:
                        raise ValueError("the bench's own bundle was not taken")
                best = min(best, (time.process_time() - began) / len(batch))
            timings[name] = best
        epochs = f"{count} live epochs" if count >= known else f"{known} live epochs"
        rows.append(
            _row(
                f"take a text, whole step of a node, {epochs}",
                1 / timings["take a bundle of ours"],
                "1/s",
                ">= 4,000",
                PEER_OPENS_S,
                "recognise, open, verify, order and keep it; one bundle per step",
            )
        )
        rows.append(
            _row(
                f"carry a foreign bundle, whole step of a node, {epochs}",
                1e6 * timings["carry a stranger's bundle"],
                "us",
                None,
                None,
                "recognised by nobody, kept for others",
            )
        )
    return rows


# -- bytes --------------------------------------------------------------------------------------------------------


def _private_message_bytes() -> int:
    """The same text as a PrivateMessage (RFC 9420 6.3) of this run: group id 8, identity 16, no padding."""
    entropy = _Entropy("peer")
    keys = [
        mls.make_key_package(mls.CipherSuite.X25519_AES128, name * 16, entropy, NOW_S, 86_400) for name in (b"a", b"b")
    ]
    alone = mls.create_group(mls.CipherSuite.X25519_AES128, b"bench-01", keys[0], entropy)
    group = alone.commit([mls.AddProposal(keys[1].key_package)], entropy, NOW_S).state
    message, _ = group.encrypt(TEXT.encode(), b"", entropy)
    return len(message)


def _bytes() -> list[Row]:
    peer = _private_message_bytes()
    rows = []
    for size in SIZES:
        data, _ = _Member(size).seal(Chain(0, Secret(b"c" * 32)))
        note = (
            f"peer: RFC 9420 PrivateMessage, this run (262 by mls-rs); Reticulum to one person {PEER_ONE_PERSON_BYTES}"
        )
        rows.append(_row(f"signed text of 100 bytes, group of {size}", len(data), "bytes", "<= 207", peer, note))
    return rows


def figures() -> list[Row]:
    """Bytes, rates of the pure path, rates of the whole step."""
    return _bytes() + _pure() + _node()
