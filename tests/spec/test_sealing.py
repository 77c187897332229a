"""The MUSTs of docs/spec/sealing.md, computed here once more from the page, or asked of nodes."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b, blake2s

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from msgspec import structs

from chasqui import mls
from chasqui.base.errors import PeerError, RefusedForSafetyError
from chasqui.base.ids import EpochId, GroupId, MemberKey, bundle_id
from chasqui.base.limits import BUNDLE_STEPS
from chasqui.base.schema import decode_own
from chasqui.base.secret import Secret
from chasqui.groups.operation import Role
from chasqui.node import epochs, inputs
from chasqui.node.effects import Persist
from chasqui.node.records import BundleRecord, GroupRecord, MessageRecord, Space
from chasqui.sealed.bundle import OVERHEAD_BYTES, parse_bundle, seal, step_for, unmask
from chasqui.sealed.chain import Chain, advance
from chasqui.sealed.epoch_keys import EpochSecrets, derive_epoch
from chasqui.sealed.kinds import BundleClass, Kind
from chasqui.sealed.object import (
    SHORT_OVERHEAD_BYTES,
    Origin,
    SignedObject,
    make_object,
    parse_whole,
    read_short,
    read_whole,
)
from chasqui.sealed.receipts import ReceiptEntry, decode_receipts, encode_receipts
from chasqui.sealed.signing import verify
from tests.node.hostile import fresh, head, keep, mls_state, utter
from tests.node.world import Person, make_group, meet, pair

DAY = 20_000
GROUP = GroupId(b"g" * 16)
SEED = b"s" * 32
AUTHOR = MemberKey(Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw())
ORIGIN = Origin(EpochId(b"e" * 16), 3, 515)
EVERY_SPACE = tuple(int(space) for space in Space)


def made(body: bytes = b"hello", receipts: bytes = b"") -> SignedObject:
    return make_object(
        group=GROUP,
        author=AUTHOR,
        key=Secret(SEED + AUTHOR),
        seq=0x010203,
        minute=DAY * 1440 + 61,
        kind=Kind.TEXT,
        body=body,
        receipts=receipts,
        origin=ORIGIN,
    )


def opened(data: bytes) -> SignedObject:
    return read_short(data, group=GROUP, author=AUTHOR, day=DAY, origin=ORIGIN)


def kdf(key: bytes, label: bytes, data: bytes = b"", size: int = 32) -> bytes:
    return blake2b(data, key=key, person=label, digest_size=size).digest()


def two() -> tuple[Person, Person, GroupId]:
    ana, ben = Person("ana"), Person("ben")
    return ana, ben, make_group(ana, ben)


# -- objects ------------------------------------------------------------------------------------------------


@pytest.mark.must("M-OBJ-1")
@pytest.mark.parametrize("receipts", [b"", encode_receipts([ReceiptEntry(1, 2, b"\x01")])])
@pytest.mark.parametrize("size", [1, 127, 128, 300])
def test_an_object_byte_by_byte(receipts: bytes, size: int) -> None:
    body = b"b" * size
    content = (bytes((size,)) if size < 128 else (size + 0x8000).to_bytes(2, "big")) + body
    content += bytes((len(receipts),)) + receipts if receipts else b""
    kind = bytes((1 + (32 if receipts else 0),))
    place = b"e" * 16 + b"\x00\x03\x02\x03"
    minute = (DAY * 1440 + 61).to_bytes(4, "big")
    signed = b"chasqui object 1\x00" + b"g" * 16 + place + kind + b"\x01\x02\x03" + minute + content
    signature = Ed25519PrivateKey.from_private_bytes(SEED).sign(signed)
    thing = made(body, receipts)
    assert thing.to_short() == kind + b"\x01\x02\x03" + b"\x00\x3d" + content + signature
    whole = bytes((kind[0] + 64,)) + AUTHOR + place + b"\x01\x02\x03" + minute + content + signature
    assert thing.to_whole() == whole
    assert thing.id == blake2b(AUTHOR + signed, person=b"chq1 object id", digest_size=16).digest()
    assert opened(thing.to_short()) == read_whole(whole, GROUP) == thing


@pytest.mark.must("M-OBJ-2")
def test_signatures_that_do_not_hold_and_keys_of_small_order() -> None:
    short = made().to_short()
    for at in (0, 1, 4, 7, len(short) - 1):
        with pytest.raises(PeerError):
            opened(short[:at] + bytes((short[at] ^ 1,)) + short[at + 1 :])
    one = b"\x01" + bytes(31)  # the neutral point: with it, S = 0 and R = 1 satisfy the equation for every message
    with pytest.raises(PeerError):
        verify(b"anything", one + bytes(32), one)


@pytest.mark.must("M-OBJ-3")
@pytest.mark.parametrize(
    "edit",
    [
        lambda s: b"\x00" + s[1:],
        lambda s: bytes((31,)) + s[1:],  # the last of five bits
        lambda s: b"\x81" + s[1:],
        lambda s: b"\x41" + s[1:],
        lambda s: s[:1] + bytes(3) + s[4:],
        lambda s: s[:4] + (1440).to_bytes(2, "big") + s[6:],
        lambda s: s[:6] + b"\x80\x05" + s[7:],
        lambda s: b"\x21" + s[1:12] + b"\x00" + s[12:],
    ],
)
def test_malformed_objects(edit: object) -> None:
    assert callable(edit)
    short = made().to_short()
    assert opened(short)
    with pytest.raises(PeerError, match=r"unknown kind|whole object|from one|out of range|shortest|has none"):
        opened(edit(short))


@pytest.mark.must("M-OBJ-4")
def test_bytes_behind_an_object() -> None:
    assert opened(made().to_short() + bytes(50))
    with pytest.raises(PeerError):
        opened(made().to_short() + bytes(50) + b"\x01")
    with pytest.raises(PeerError):
        read_whole(made().to_whole() + b"\x00", GROUP)


def forge(maker: Person, group: GroupId, leaf: int, *, receipts: bytes = b"") -> bytes:
    """The next bundle of any leaf of the head, which every member can seal; the maker signs for himself."""
    epoch, record = head(maker, group)
    own = maker.tx().load(Space.GROUP, group, GroupRecord)
    chain = epochs.load_chain(maker.tx(), epoch, leaf) or Chain(0, Secret(bytes(32)))
    assert own is not None
    day = maker.now_s // 86_400
    thing = make_object(
        group=group,
        author=MemberKey(own.member),
        key=Secret(own.signing_key),
        seq=own.seq + 1,
        minute=day * 1440,
        kind=Kind.TEXT,
        body=b"forged",
        receipts=receipts,
        origin=Origin(epoch, leaf, chain.counter),
    )
    bundle = seal(
        thing.to_short(),
        message_key=advance(chain, chain.counter).message_key,
        keys=epochs.day_chain(record).at(day).keys,
        leaf=leaf,
        counter=chain.counter,
        bundle_class=BundleClass.TEXT,
        day=day,
    )
    return bundle.data


@pytest.mark.must("M-OBJ-5", "M-BUN-7")
def test_nobody_speaks_from_another_leaf_and_the_true_message_still_opens() -> None:
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    contacts = [pair(ana, ben), pair(ana, caro)]
    group: GroupId = ana.do(inputs.CreateGroup("relief"))
    for contact, person in zip(contacts, (ben, caro), strict=True):
        ana.do(inputs.AddMember(group, contact, Role.MEMBER))
        ana.sync(ben, caro)
        person.do(inputs.JoinGroup(group))
    ana.sync(ben, caro)
    leaf = head(ana, group)[1].own_leaf
    before = set(ana.held())
    forgery = forge(ben, group, leaf)  # with Ana's first key of this epoch, signed by Ben
    nobody = forge(ben, group, 77)
    carried = (Space.BUNDLE, Space.EXPIRY, Space.FOREIGN, Space.META)
    state = [dict(caro.store.scan(space)) for space in Space if space not in carried]
    own = {key for key, data in caro.store.scan(Space.BUNDLE) if decode_own(data, BundleRecord).own}
    known = dict(caro.store.scan(Space.META))
    assert caro.do(inputs.TakeBundles((forgery, nobody))).refused == 2
    assert [dict(caro.store.scan(space)) for space in Space if space not in carried] == state
    assert {key for key, data in caro.store.scan(Space.BUNDLE) if decode_own(data, BundleRecord).own} == own
    after = dict(caro.store.scan(Space.META))
    assert {name for name in after if after[name] != known.get(name)} == {b"foreign bytes", b"known bytes"}
    # handed on as by a carrier, so that whoever made them does not learn who recognised them
    assert {bundle_id(forgery), bundle_id(nobody)} <= {key for key, _ in caro.store.scan(Space.FOREIGN)}
    assert {forgery, nobody} <= set(caro.held())
    ana.do(inputs.SendText(group, "true"))
    (true,) = fresh(ana, before)
    today = ana.now_s // 86_400
    day_keys = [epochs.day_chain(head(person, group)[1]).at(today).keys for person in (ana, ben)]
    assert unmask(parse_bundle(true, today), day_keys[0]) == unmask(parse_bundle(forgery, today), day_keys[1])
    assert caro.do(inputs.TakeBundles((true,))).new == 1
    assert caro.texts(group) == ["true"]


@pytest.mark.must("M-OBJ-6")
def test_numbers_and_counters_rise_together() -> None:
    ana, _, group = two()
    for text in ("a", "b", "c"):
        ana.do(inputs.SendText(group, text))
    own = [parse_whole(m, group) for m in _wholes(ana)]
    assert [thing.seq - own[0].seq for thing in own] == [0, 1, 2]
    assert len({thing.seq - thing.origin.counter for thing in own}) == 1


def _wholes(person: Person) -> list[bytes]:
    return [decode_own(data, MessageRecord).whole for _, data in person.store.scan(Space.MESSAGE)]


@pytest.mark.must("M-OBJ-7")
def test_two_objects_with_one_number_are_shown_as_a_clash() -> None:
    ana, ben, group = two()
    ana.do(inputs.TakeBundles((utter(ben, group, Kind.TEXT, b"one"),)))
    tx = ben.tx()
    record = tx.load(Space.GROUP, group, GroupRecord)
    assert record is not None
    tx.save(Space.GROUP, group, structs.replace(record, seq=record.seq - 1))
    keep(ben, tx)
    assert not ana.read(group).clashes
    ana.do(inputs.TakeBundles((utter(ben, group, Kind.TEXT, b"other"),)))
    assert ana.read(group).clashes == (ben.key(group),)


# -- receipts -----------------------------------------------------------------------------------------------


@pytest.mark.must("M-REC-1")
def test_malformed_receipts() -> None:
    good = bytes.fromhex("0a0501811000")
    entries, vote = decode_receipts(good)
    assert (entries, vote) == ((ReceiptEntry(1, 5, b"\x81"), ReceiptEntry(4, 0, b"")), None)
    assert entries[0].have.spans == ((1, 5), (7, 7), (14, 14))
    beyond = bytes.fromhex("0a87ffff7f0101")
    for bad in (good[:-1], good[:2] + b"\x02\x81\x00", good[:2] + b"\0", b"\x80" + good, beyond):
        with pytest.raises(PeerError):
            decode_receipts(bad)
    ana, ben, group = two()
    leaf = head(ben, group)[1].own_leaf
    assert ana.do(inputs.TakeBundles((forge(ben, group, leaf, receipts=b"\0"),))).refused == 1
    assert ana.do(inputs.TakeBundles((forge(ben, group, leaf, receipts=good),))).new == 1


@pytest.mark.must("M-REC-2")
def test_delivered_is_what_the_member_itself_signed_for() -> None:
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    group = make_group(ana, ben, caro)
    ana.do(inputs.SendText(group, "hello"))
    ana.sync(ben, caro)
    ben.sync(ana)
    (message,) = ana.read(group).messages
    assert (message.state, dict(message.receipts)) == ("waiting", {ben.key(group): True, caro.key(group): False})
    caro.sync(ana)
    assert ana.read(group).messages[0].state == "delivered"


@pytest.mark.must("M-REC-3")
def test_receipts_ride_in_padding_only() -> None:
    ana, ben, group = two()
    carried = 0
    for size in range(1, 60, 3):
        ben.do(inputs.TakeBundles((utter(ana, group, Kind.TEXT, b"question"),)))
        before = set(ben.held())
        ben.do(inputs.SendText(group, "x" * size))
        (bundle,) = fresh(ben, before)
        assert len(bundle) == step_for(SHORT_OVERHEAD_BYTES + 1 + size)
        carried += bool(parse_whole(_wholes(ben)[-1], group).receipts)
    assert 5 < carried < 20


@pytest.mark.must("M-REC-4")
def test_receipts_are_not_answered() -> None:
    ana, ben, group = two()
    ana.do(inputs.SendText(group, "hello"))
    ana.sync(ben)
    ben.sync(ana)
    held = len(ana.held())
    for _ in range(3):
        ana.sync(ben)
        ben.sync(ana)
    assert len(ana.held()) == held


# -- bundles ------------------------------------------------------------------------------------------------

EXPORTER, R = b"x" * 32, b"r" * 16


def secrets(first_day: int = DAY) -> EpochSecrets:
    return derive_epoch(EXPORTER, R, first_day, (0, 3))


def sealed(plaintext: bytes, counter: int = 515, bundle_class: BundleClass = BundleClass.TEXT) -> bytes:
    own = secrets()
    return seal(
        plaintext,
        message_key=advance(own.chains[1], counter).message_key,
        keys=own.days.at(DAY + 2).keys,
        leaf=3,
        counter=counter,
        bundle_class=bundle_class,
        day=DAY + 2,
    ).data


@pytest.mark.must("M-BUN-1", "M-KEY-1")
@pytest.mark.parametrize(("bundle_class", "first"), list(zip(BundleClass, (0x4C, 0x5C, 0x6C, 0x7A), strict=True)))
def test_a_bundle_byte_by_byte(bundle_class: BundleClass, first: int) -> None:
    root = kdf(EXPORTER, b"chq1 root", R)
    mark, top = (kdf(root, label, DAY.to_bytes(4, "big")) for label in (b"chq1 mark", b"chq1 head"))
    for _ in range(2):
        mark, top = kdf(mark, b"chq1 mark next"), kdf(top, b"chq1 head next")
    chain = kdf(root, b"chq1 chain", b"\x00\x03")
    for _ in range(515):
        chain = kdf(chain, b"chq1 chain next")
    message_key = kdf(chain, b"chq1 message", b"\x02\x03", 64)

    plaintext = made(b"y" * 90).to_short()
    start = bytes((first, (DAY + 2) % 256))
    siv = AESSIV(message_key).encrypt(plaintext.ljust(207 - 30, b"\0"), [start, b"\x00\x03\x02\x03"])
    mask = blake2b(siv[:16], key=top, person=b"chq1 head mask", digest_size=4).digest()
    rest = bytes(a ^ b for a, b in zip(b"\x00\x03\x02\x03", mask, strict=True)) + siv
    body = blake2s(start + rest, person=b"chq1 mrk").digest()
    expected = start + blake2s(body, key=mark, digest_size=8).digest() + rest
    assert sealed(plaintext, bundle_class=bundle_class) == expected
    assert bundle_id(expected) == blake2b(expected, person=b"chq1 bundle id", digest_size=16).digest()
    for size in (1, 98, 99, 130, 131, 15_330):
        assert len(sealed(b"z" * size)) == min(step for step in BUNDLE_STEPS if step >= size + OVERHEAD_BYTES)


@pytest.mark.must("M-BUN-2")
def test_sizes_versions_and_lifetimes_that_no_bundle_has() -> None:
    good = sealed(b"z")
    assert parse_bundle(good, DAY + 2).bundle_class is BundleClass.TEXT
    for bad in (good + b"\0", good[:-1], b"", *(first + good[1:] for first in (b"\x1c", b"\x9c", b"\x5a", b"\x7c"))):
        with pytest.raises(PeerError):
            parse_bundle(bad, DAY + 2)


@pytest.mark.must("M-BUN-3")
def test_the_day_that_one_byte_stands_for() -> None:
    good = sealed(b"z")
    for day in range(DAY - 172, DAY + 2):
        assert parse_bundle(good[:1] + bytes((day % 256,)) + good[2:], DAY).day == day
    for day in range(DAY + 2, DAY + 256 - 172):
        with pytest.raises(PeerError):
            parse_bundle(good[:1] + bytes((day % 256,)) + good[2:], DAY)


@pytest.mark.must("M-BUN-4")
def test_what_is_over_is_refused_and_erased() -> None:
    ana, ben, group = two()
    before = set(ana.held())
    ana.do(inputs.SendFile(group, "map.png", b"\1" * 500))
    classes = {data: parse_bundle(data, ana.now_s // 86_400).bundle_class for data in fresh(ana, before)}
    assert sorted(classes.values()) == [BundleClass.TEXT, BundleClass.FILE]  # a manifest, which outlives its parts
    files = tuple(data for data, found in classes.items() if found is BundleClass.FILE)
    for person in (ana, ben):
        person.now_s += 45 * 86_400
        person.do(inputs.Tick())
    assert not set(ana.held()) & set(files)
    assert ben.do(inputs.TakeBundles(files)).refused == len(files)


@pytest.mark.must("M-BUN-5")
def test_a_text_of_100_bytes_takes_207() -> None:
    people = [Person(name) for name in ("ana", "ben", "caro", "dora")]
    for group in (make_group(*people), pair(people[1], people[2])):
        before = set(people[1].held())
        people[1].do(inputs.SendText(group, "x" * 100))
        assert [len(bundle) for bundle in fresh(people[1], before)] == [207]


@pytest.mark.must("M-BUN-6")
def test_all_behind_the_second_byte_looks_random() -> None:
    own, many = secrets(), 4096
    chain, bundles = own.chains[1], []
    for counter in range(many):
        step = advance(chain, counter)
        chain = step.chain
        bundles.append(
            seal(
                b"the same words",
                message_key=step.message_key,
                keys=own.days.keys,
                leaf=3,
                counter=counter,
                bundle_class=BundleClass.TEXT,
                day=DAY,
            ).data
        )
    for at in range(2, 128):
        seen = Counter(bundle[at] for bundle in bundles)
        chi = sum((seen[value] - many / 256) ** 2 / (many / 256) for value in range(256))
        assert chi < 255 + 7 * 510**0.5, at  # 7 standard deviations: once in 10^10 positions by chance
    assert len({bundle[2:10] for bundle in bundles}) == many


@pytest.mark.must("M-BUN-8")
def test_a_strangers_bundle_is_carried_and_opened_once_its_epoch_is_known() -> None:
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    group = make_group(ana, ben)
    ana.do(inputs.SendText(group, "not for caro"))
    ana.sync(caro)
    assert set(ana.held()) <= set(caro.held())
    caro.sync(ben)
    assert ben.texts(group) == ["not for caro"]
    before = set(ana.held())
    ana.do(inputs.AddMember(group, pair(ana, Person("dora")), Role.MEMBER))
    change = fresh(ana, before)
    before = set(ana.held())
    ana.do(inputs.SendText(group, "in a later epoch"))
    ben.do(inputs.TakeBundles(fresh(ana, before)))
    assert "in a later epoch" not in ben.texts(group)
    ben.do(inputs.TakeBundles(change))
    assert "in a later epoch" in ben.texts(group)


# -- keys ---------------------------------------------------------------------------------------------------


@pytest.mark.must("M-KEY-2")
def test_what_the_root_follows_from_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    gone: set[bytes] = set()

    def listening(exporter: bytes, r: bytes, first_day: int, leaves: tuple[int, ...]) -> EpochSecrets:
        gone.update((bytes(exporter), bytes(r), kdf(exporter, b"chq1 root", r)))
        return derive_epoch(exporter, r, first_day, leaves)

    monkeypatch.setattr(epochs, "derive_epoch", listening)
    ana, ben, group = two()
    ana.do(inputs.AddMember(group, pair(ana, Person("caro")), Role.MEMBER))
    ana.sync(ben)
    assert len(gone) >= 3 * 4
    for person in (ana, ben):
        for space in EVERY_SPACE:
            for _, value in person.store.scan(space):
                assert not any(secret in value for secret in gone), Space(space)
        with pytest.raises(mls.UsageError):  # nor what the exporter would give once more
            mls_state(person, group).export("chasqui bundle", group, 32)


@pytest.mark.must("M-KEY-3")
def test_number_chain_and_bundle_are_written_together_and_first() -> None:
    ana, _, group = two()
    effects = ana.node.step(inputs.SendText(group, "hello"), ana.now_s)
    assert isinstance(effects[0], Persist)
    spaces = {write.space for write in effects[0].writes}
    assert {Space.CHAIN, Space.GROUP, Space.BUNDLE} <= spaces
    assert sum(isinstance(effect, Persist) for effect in effects) == 1


@pytest.mark.must("M-KEY-4")
def test_the_upper_half_of_the_counters_is_not_used() -> None:
    ana, ben, group = two()
    epoch, record = head(ana, group)
    tx = ana.tx()
    chain = epochs.load_chain(tx, epoch, record.own_leaf)
    assert chain is not None
    epochs.save_chain(tx, epoch, record.own_leaf, advance(chain, 2**15 - 2).chain)
    keep(ana, tx)
    utter(ana, group, Kind.TEXT, b"the last one")
    with pytest.raises(RefusedForSafetyError):
        utter(ana, group, Kind.TEXT, b"one too many")
    with pytest.raises(RefusedForSafetyError):
        ana.do(inputs.SendText(group, "not even new keys can be said any more"))
    ana.sync(ben)
    assert ben.texts(group) == ["the last one"]


@pytest.mark.must("M-KEY-5")
def test_a_key_is_spent_with_the_message_and_not_without() -> None:
    ana, ben, group = two()
    before = set(ana.held())
    ana.do(inputs.SendText(group, "hello"))
    (bundle,) = fresh(ana, before)
    disk = ben.store.after_crash()
    effects = ben.node.step(inputs.TakeBundles((bundle,)), ben.now_s)
    assert isinstance(effects[0], Persist)
    assert {Space.CHAIN, Space.MESSAGE} <= {write.space for write in effects[0].writes}
    ben.store = disk  # the plug was pulled before anything was durable
    ben.restart()
    ben.do(inputs.TakeBundles((bundle,)))
    assert ben.texts(group) == ["hello"]
    tx = ben.tx()
    record = tx.load(Space.BUNDLE, bundle_id(bundle), BundleRecord)
    assert record is not None
    tx.erase(Space.BUNDLE, bundle_id(bundle))
    keep(ben, tx)
    assert ben.do(inputs.TakeBundles((bundle,))).refused == 1


@pytest.mark.must("M-KEY-6")
def test_skipped_keys_and_jumps() -> None:
    ana, ben, group = two()
    bundles = [utter(ana, group, Kind.TEXT, text) for text in (b"1", b"2", b"3")]
    for at in (2, 0, 1):
        assert ben.do(inputs.TakeBundles((bundles[at],))).new == 1
    assert ben.texts(group) == ["1", "2", "3"]
    start = Chain(0, Secret(bytes(32)))
    far = advance(start, 65_535)
    assert len(far.skipped) == 65_535
    assert dict(far.skipped)[515] == advance(start, 515).message_key
    for chain, counter in ((start, 65_536), (far.chain, 65_535)):
        with pytest.raises(PeerError):
            advance(chain, counter)


@pytest.mark.must("M-KEY-7")
def test_a_clock_before_the_first_day_of_the_epoch() -> None:
    ana, ben, group = two()
    before = set(ben.held())
    for days in (3, 2):
        ben.now_s = ana.now_s - days * 86_400
        with pytest.raises(RefusedForSafetyError):
            ben.do(inputs.SendText(group, "my clock is late by days"))
        assert set(ben.held()) == before
    ben.now_s = ana.now_s - 86_400
    ben.do(inputs.SendText(group, "my clock is late"))
    ana.do(inputs.TakeBundles(fresh(ben, before)))
    (message,) = ana.read(group).messages
    assert message.time_s == head(ana, group)[1].day * 86_400


@pytest.mark.must("M-KEY-8")
def test_old_keys_go() -> None:
    ana, ben, group = two()
    old = head(ana, group)[0]
    ana.do(inputs.AddMember(group, pair(ana, Person("caro")), Role.MEMBER))
    ana.do(inputs.SendText(group, "in the new epoch"))
    meet(ana, ben)
    assert ana.store.get(Space.CHAIN, old + b"\0\0") is not None
    right = ana.now_s
    ana.now_s += 400 * 86_400
    ana.do(inputs.Tick())  # nobody bears that clock out
    assert ana.store.get(Space.CHAIN, old + b"\0\0") is not None
    ana.now_s = right
    for days, there in ((172, True), (2, False)):
        for person in (ana, ben):
            person.now_s += days * 86_400
        before = set(ben.held())
        ben.do(inputs.SendText(group, "today"))
        ana.do(inputs.TakeBundles(fresh(ben, before)))
        ana.do(inputs.Tick())
        assert (ana.store.get(Space.EPOCH, group + old) is not None) is there
        assert (ana.store.get(Space.CHAIN, old + b"\0\0") is not None) is there
    assert not list(ana.tx().scan_prefix(Space.SKIPPED, old))
    assert all(epoch.day >= ana.now_s // 86_400 - 172 for _, epoch in epochs.epochs_of(ana.tx(), group))
    assert ana.store.get(Space.CHAIN, head(ana, group)[0] + b"\0\0") is not None
    assert ben.show(group).state == "current"
    meet(ana, ben)
