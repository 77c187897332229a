"""Writes the seed corpora: `python -m tests.fuzz.seeds`. A few small, valid inputs per target, always the same."""

from __future__ import annotations

from pathlib import Path

from chasqui import mls
from chasqui.base.ids import ObjectId, bundle_id
from chasqui.base.schema import Body, encode
from chasqui.delivery.courier_file import courier_chunks
from chasqui.delivery.frames import BundleFrame, IdsFrame, RequestFrame, short_id, write_frame
from chasqui.delivery.radio_frames import (
    BatchFrame,
    CodedFrame,
    DaysFrame,
    MoreFrame,
    NeedFrame,
    PackFrame,
    RadioFrame,
    SumFrame,
    WantFrame,
    write_radio_frame,
)
from chasqui.groups.bodies import (
    AskBody,
    CommitBody,
    DemandBody,
    KeyPackagesBody,
    ManifestBody,
    PartBody,
    ResealBody,
    read_welcome,
)
from chasqui.groups.operation import (
    Accuse,
    Add,
    Confirm,
    Genesis,
    GroupKind,
    Lift,
    Reason,
    Rejoin,
    Remove,
    Role,
    SetRole,
)
from chasqui.groups.pairing import Offer as PairingOffer
from chasqui.groups.pairing import ReplyBody, read_pairing_file, write_offer, write_reply
from chasqui.groups.witnesses import encode_witnesses
from chasqui.links.ax25 import BLANK, read_callsign, write_ui
from chasqui.links.kiss import KissFrame, write_kiss
from chasqui.links.lora import Lora
from chasqui.links.meshtastic import write_packet
from chasqui.links.rnode import Code, wanted_of, write_command
from chasqui.links.sound_frames import split
from chasqui.media.burst import Burst, Quality
from chasqui.media.modes import Mode
from chasqui.media.wav import wav_of
from chasqui.node import inputs
from chasqui.node.records import InvitationRecord, Space
from chasqui.sealed.kinds import Kind
from chasqui.store.header import new_header
from chasqui.store.passphrase import KdfCost
from tests.fuzz.common import NOW_S, mls_group, world
from tests.fuzz.fuzz_schema import Everything, One, Two
from tests.fuzz.fuzz_witnesses import OUT
from tests.groups.makers import found, ids, key
from tests.node.world import Person, SeededEntropy, pair
from tests.sealed.makers import epoch

CORPUS = Path(__file__).parent / "corpus"
ID, KEY = b"i" * 16, b"k" * 32


def seeds() -> dict[str, list[bytes]]:
    """By target."""
    some = epoch(1)
    text, whole = some.text(body=b"hi"), some.text(1, 2, receipts=b"\0\0\0\0\1\1\2")
    sealed = some.seal(text).data
    founded = found("ana")
    operations: list[Body] = [
        Genesis(GroupKind.GROUP, 3, "convoy", bytes(16), 0, 2, 1),
        Add(ids((founded,)), key("ben"), bytes(32), Role.MEMBER),
        Remove(ids((founded,)), key("ben"), 4, Reason.REMOVED),
        SetRole(ids((founded,)), key("ben"), Role.ADMIN),
        Rejoin(ids((founded,)), bytes(32)),
        Accuse(ids((founded,)), key("ben"), 4),
        Lift(ids((founded,)), key("ben")),
        Confirm(ids((founded,)), founded.id),
    ]
    commit_body = CommitBody((ID,), ID, 20_833, b"message")
    manifest, part = ManifestBody(Kind.MANIFEST, KEY, 5, "a.txt"), PartBody(KEY, 0, b"data")
    healing: list[Body] = [
        AskBody((ID,), ((KEY, ((1, 2), (5, 5))),)),
        ResealBody(whole.to_whole(), ()),
        DemandBody(ID, whole.to_whole(), b"package"),
    ]
    bodies: list[Body] = [commit_body, KeyPackagesBody((b"package",)), manifest, part, *healing]
    kinds = [0, 2, 3, 4, 5, 6, 7]
    bursts = [Burst(Quality.Q700C, b"sevenby", more=True), Burst(Quality.Q1300, bytes(20)), Burst(Quality.Q3200, ID)]
    held = world().victim.held()[:2]
    lora = Lora(868_100_000, 125_000, 9, 5, 14)
    return {
        "bundle": [sealed, b"\x01" + sealed[2:]],
        "object": [text.to_short(), whole.to_short() + bytes(9), whole.to_whole()],
        "receipts": [b"\0\1", b"\2\1\1\2\x20\7\4\0\1"],
        "body": [bytes((kind,)) + encode(body) for kind, body in zip(kinds, bodies, strict=True)]
        + [b"\x01" + welcome(), b"\x09hello"],
        "operation": [encode(change) for change in operations],
        "witnesses": [
            encode_witnesses(((founded.id, tuple(map(ObjectId, sorted((founded.id, OUT.id))))),)),
            encode_witnesses(((OUT.id, ()),)),
        ],
        "pairing": pairing(),
        "frame": [write_frame(BundleFrame(sealed)), write_frame(IdsFrame((bytes(8), b"x" * 8)))]
        + [write_frame(RequestFrame((short_id(bundle_id(bundle)),))) for bundle in held],
        "radio": radio(),
        "sound": [b"".join(split(b"at the bridge", Mode.DATAC0.shape)), b"\x12\0\5" + bytes(39)],
        "kiss": [
            write_kiss(KissFrame(0, 0, write_ui(read_callsign("N0CALL-7"), b"\x10\xc0\xdb")))
            + write_kiss(KissFrame(12, 0, b"\xdb\xdd")),
            b"torn\xc0\x00\xdbx\xc0" + write_kiss(KissFrame(0, 0, write_ui(BLANK, b"\x10" + sealed))),
        ],
        "rnode": [
            b"".join(write_command(one.code, one.data) for one in wanted_of(lora, 0.01)),
            b"\xc0\x24\xf2" + write_command(Code.DATA, b"\x10\xc0\xdb") + b"\xc0\x90\x04\xc0\xc0\x0f\x01\xc0",
        ],
        "meshtastic": [
            b"DEBUG\r\n\x94\xc3\x00\x02\x38\x09\x94\xc3\x00\x06\x5a\x04\x10\x03\x18\x10",
            b"\x94\xc3\x00\x19\x12\x17\x0d\x04\0\0\0\x15\xff\xff\xff\xff"
            b"\x22\x06\x08\x80\x02\x12\x01x\x45\0\0\x40\x40" + write_packet(b"\x10\xc0\xdb", 7, 1),
        ],
        "courier": [b"".join(courier_chunks([sealed, some.seal(whole).data], 20_833))],
        "mls": mls_messages(),
        "schema": [
            encode(Everything(5, "name", b"data", (b"a", b""), ((1, 2), (4, 4)))),
            encode(One((b"x",))),
            encode(Two("x")),
        ],
        "wire": [request(b'{"do":"ShowStatus"}'), b'{"is":"done","result":{}}'],
        "vault_header": [new_header(KdfCost(65_536, 3, 4), SeededEntropy("header")).encode()],
        "insider": [
            b"\x80\x00hello",
            b"\x81\x06\0\0\0\0\1\0",
            *(b"\x82\0" + encode(change) for change in operations),
            b"\x84\0" + encode(commit_body),
            b"\x05\0" + welcome(),
            b"\x03\0" + encode(KeyPackagesBody((mls_group()[2].key_package,))),
            b"\x86\0" + encode(manifest),
            b"\x87\0" + encode(part),
            *(bytes((0x89 + at, 0)) + encode(body) for at, body in enumerate(healing)),
            *(b"\x8c\0" + burst.to_body() for burst in bursts),
        ],
        "voice": [
            *(b"\0" + burst.to_body() for burst in bursts),
            b"\0" + Burst(Quality.Q3200, bytes(8), more=True, first=7, at=250).to_body(),
            b"\1" + wav_of(bytes(64)),
            b"\1" + wav_of(bytes(64)).replace(b"\x40\x1f\0\0", b"\x80\x3e\0\0", 1),
            b"\2" + bytes(13),
        ],
    }


def radio() -> list[bytes]:
    """Single frames, and sequences of them, each behind its length."""
    bundle = bytes((0x5C, 44)) + b"r" * 205
    frames: list[RadioFrame] = [
        PackFrame((bundle,)),
        CodedFrame(1, 2, 2, 0, bundle, False, False),
        CodedFrame(1, 2, 2, 192, bytes(209), False, False),
        CodedFrame(3, 4, 3, 1, bytes(70), True, True),
        SumFrame(20_780 % 256, b"sa", 0, 3, b"fp", (1, 2)),
        MoreFrame(20_780 % 256, b"sa", 2, (3,)),
        WantFrame(b"sa", (5,)),
        NeedFrame(1, 2, 1),
        DaysFrame(20_780 % 256, b"sa", (0, b"xy"), ((1, b"zz"),)),
    ]
    written = [write_radio_frame(frame) for frame in frames]
    small = bytes((0x5C, 44)) + b"r" * 126
    alone: list[RadioFrame] = [
        BatchFrame(1, 2, 3, 1, (small, small), False),
        SumFrame(20_780 % 256, b"s\0", 0, None, b"", tuple(range(1, 17))),
    ]
    together = b"".join(bytes((len(data),)) + data for data in written)
    return [*written, together, *map(write_radio_frame, alone)]


def welcome() -> bytes:
    """The body of an invitation."""
    ana, ben = Person("ana"), Person("ben")
    contact = pair(ana, ben)
    group = ana.do(inputs.CreateGroup("convoy"))
    ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    ana.sync(ben)
    record = ben.tx().load(Space.INVITATION, group, InvitationRecord)
    assert record is not None
    read_welcome(record.body)
    return record.body


def pairing() -> list[bytes]:
    """An offer, a reply to it, and the inside of one."""
    keys = mls_group()[2]
    offer = write_offer(keys.key_package)
    read = read_pairing_file(offer, NOW_S)
    assert isinstance(read, PairingOffer)
    return [offer, write_reply(read, ReplyBody(b"w", (b"p",)), SeededEntropy("seed")), b"\x01welcome"]


def mls_messages() -> list[bytes]:
    """One message for each door."""
    ours, theirs, newcomer = mls_group()
    entropy = SeededEntropy("messages")
    add = mls.AddProposal(newcomer.key_package)
    committed = ours.commit([add], entropy, NOW_S)
    private = ours.commit([], entropy, NOW_S, path=True, private=True)
    assert committed.welcome is not None
    return [
        committed.message,
        committed.welcome,
        private.message,
        ours.propose(mls.RemoveProposal(theirs.own_leaf), entropy, NOW_S).message,
        ours.encrypt(b"hello", b"", entropy)[0],
        ours.group_info(),
        newcomer.key_package,
        mls.shorten(committed.message),
    ]


def request(document: bytes) -> bytes:
    """A document behind the header of the local socket."""
    return len(document).to_bytes(4, "big") + bytes(4) + document


def main() -> None:
    """Writes every corpus anew."""
    for name, inputs_of_target in seeds().items():
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(inputs_of_target):
            (folder / f"seed-{number}").write_bytes(data)


if __name__ == "__main__":
    main()
