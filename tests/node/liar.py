"""A member who signs and seals whatever he likes: any number, counter, minute and receipt."""

from __future__ import annotations

from chasqui.base.days import day_of
from chasqui.base.ids import GroupId, MemberKey
from chasqui.base.secret import Secret
from chasqui.node.epochs import day_chain, leaf_of, load_chain
from chasqui.node.groups import load_group
from chasqui.sealed.bundle import seal
from chasqui.sealed.chain import advance
from chasqui.sealed.kinds import CLASS_OF_KIND, Kind
from chasqui.sealed.object import Origin, make_object
from chasqui.sealed.receipts import ReceiptEntry, encode_receipts
from tests.node.hostile import head
from tests.node.world import Person


class Liar:
    """Goes on from where the person stands, with the keys that the person has; the person does not know of it."""

    def __init__(self, person: Person, group: GroupId) -> None:
        self._group = group
        self._record = load_group(person.tx(), group)
        self._epoch, self._epoch_record = head(person, group)
        chain = load_chain(person.tx(), self._epoch, self._epoch_record.own_leaf)
        assert chain is not None
        self._chain = chain
        self.now_s = person.now_s
        self.key = MemberKey(self._record.member)
        self.seq = self._record.seq + 1  # of the next object, unless it is told

    def leaf(self, member: bytes) -> int:
        """Where a member sits."""
        leaf = leaf_of(self._epoch_record, member)
        assert leaf is not None
        return leaf

    def says(self, text: str = "", *, receipts: tuple[ReceiptEntry, ...] = (), seq: int = 0, later_s: int = 0) -> bytes:
        """A bundle with a text, or with a receipt where there is none, said so many seconds later."""
        kind = Kind.TEXT if text else Kind.RECEIPT
        leaf, counter = self._epoch_record.own_leaf, self._chain.counter
        step = advance(self._chain, counter)
        self._chain = step.chain
        made = make_object(
            group=self._group,
            author=self.key,
            key=Secret(self._record.signing_key),
            seq=seq or self.seq,
            minute=(self.now_s + later_s) // 60,
            kind=kind,
            body=text.encode(),
            receipts=encode_receipts(receipts),
            origin=Origin(self._epoch, leaf, counter),
        )
        self.seq = made.seq + 1
        day = day_of(self.now_s + later_s)
        bundle = seal(
            made.to_short(),
            message_key=step.message_key,
            keys=day_chain(self._epoch_record).at(day).keys,
            leaf=leaf,
            counter=counter,
            bundle_class=CLASS_OF_KIND[kind],
            day=day,
        )
        return bundle.data
