"""The public ratchet tree: a frozen value with cached hashes, and a draft in which its successor is made.

Nodes are kept in their encoding, which tree hashes, welcomes and saved states need; they are decoded when
somebody asks. So a state loads without decoding 128 leaves, and nothing is ever encoded twice.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

from chasqui.mls import limits, tree_math
from chasqui.mls.checks import Check
from chasqui.mls.codec import Reader, u32, vl
from chasqui.mls.errors import PeerError, StateError
from chasqui.mls.leaf import LeafNode, decode_leaf, read_leaf
from chasqui.mls.parent import ParentNode, decode_parent, read_parent
from chasqui.mls.suite import Crypto

Node = LeafNode | ParentNode

_NODE_LEAF = 1
_NODE_PARENT = 2


def _of_saved(decode: Callable[[bytes], Node], raw: bytes) -> Node:
    """A node that only a saved state can bring without its decoded form. Raises StateError."""
    try:
        return decode(raw)
    except PeerError as error:
        raise StateError("a node of the saved tree is damaged") from error


class _Nodes:
    """What the frozen tree and the draft share: reading."""

    __slots__ = ("_decoded", "_hashes", "_raw", "crypto")

    _raw: list[bytes | None]
    _decoded: list[Node | None]
    _hashes: list[bytes | None]
    crypto: Crypto

    @property
    def leaf_count(self) -> int:
        """Leaves including blank ones: a power of two."""
        return (len(self._raw) + 1) >> 1

    @property
    def root(self) -> int:
        return len(self._raw) >> 1

    def leaf(self, number: int) -> LeafNode | None:
        """The leaf node of that number; None when it is blank or outside the tree."""
        x = 2 * number
        if not 0 <= x < len(self._raw):
            return None
        node = self._decoded[x]
        if node is None:
            raw = self._raw[x]
            if raw is None:
                return None
            node = self._decoded[x] = _of_saved(decode_leaf, raw)
        assert isinstance(node, LeafNode)  # noqa: S101  even places hold leaves
        return node

    def parent(self, x: int) -> ParentNode | None:
        """The parent node at node index x; None when it is blank."""
        node = self._decoded[x]
        if node is None:
            raw = self._raw[x]
            if raw is None:
                return None
            node = self._decoded[x] = _of_saved(decode_parent, raw)
        assert isinstance(node, ParentNode)  # noqa: S101  odd places hold parents
        return node

    def is_blank(self, x: int) -> bool:
        """Whether node x is blank."""
        return self._raw[x] is None

    def key(self, x: int) -> bytes:
        """The encryption key of non-blank node x."""
        raw = self._raw[x]
        assert raw is not None  # noqa: S101
        return peek_encryption_key(raw)

    def members(self) -> Iterator[int]:
        """Numbers of the leaves that are not blank, ascending."""
        return (i for i, raw in enumerate(self._raw[::2]) if raw is not None)

    def leaves(self) -> Iterator[tuple[int, LeafNode]]:
        """(number, leaf) of all members."""
        for number in self.members():
            leaf = self.leaf(number)
            if leaf is not None:
                yield number, leaf

    def check_size(self) -> None:
        """Raises PeerError when the nodes have more bytes than a state may hold."""
        if sum(len(raw) for raw in self._raw if raw is not None) > limits.TREE_BYTES_MAX:
            raise PeerError(Check.TREE_TOO_LARGE, "bytes")

    def encryption_keys(self) -> list[bytes]:
        """The encryption keys of all nodes."""
        return [peek_encryption_key(raw) for raw in self._raw if raw is not None]

    def signature_keys(self) -> list[bytes]:
        """The signature keys of all members, in the order of their leaves."""
        return [peek_signature_key(raw) for raw in self._raw[::2] if raw is not None]

    def is_empty_below(self, x: int) -> bool:
        """Whether the resolution of x is empty, that is, no node below is set."""
        low, high = tree_math.span(x)
        return not any(self._raw[low:high])

    def resolution(self, x: int) -> list[int]:
        """Node indices that cover all members below x (RFC 4.1.1)."""
        raw = self._raw[x]
        if raw is not None:
            if x & 1:
                node = self.parent(x)
                assert node is not None  # noqa: S101
                return [x, *(2 * leaf for leaf in node.unmerged_leaves)]
            return [x]
        if not x & 1:
            return []
        return self.resolution(tree_math.left(x)) + self.resolution(tree_math.right(x))

    def filtered_direct_path(self, leaf: int) -> list[tuple[int, int]]:
        """(node, child on the copath) for the ancestors of `leaf` whose copath child is not empty (RFC 4.1.2)."""
        count = self.leaf_count
        return [
            (x, child)
            for x, child in zip(tree_math.direct_path(leaf, count), tree_math.copath(leaf, count), strict=True)
            if not self.is_empty_below(child)
        ]

    def tree_hash(self, x: int | None = None) -> bytes:
        """The tree hash of node x, or of the root (RFC 7.8)."""
        if x is None:
            x = self.root
        found = self._hashes[x]
        if found is None:
            raw = self._raw[x]
            content = b"\x00" if raw is None else b"\x01" + raw
            if x & 1:
                below = vl(self.tree_hash(tree_math.left(x))) + vl(self.tree_hash(tree_math.right(x)))
                found = self.crypto.hash(b"\x02" + content + below)
            else:
                found = self.crypto.hash(b"\x01" + u32(x >> 1) + content)
            self._hashes[x] = found
        return found

    def tree_hash_without(self, x: int, without: Sequence[int]) -> bytes:
        """The tree hash of x as if those leaves (ascending) were blank and nowhere unmerged (RFC 7.9)."""
        low, high = tree_math.leaf_span(x)
        without = without[bisect_left(without, low) : bisect_left(without, high)]
        if not without:
            return self.tree_hash(x)
        if not x & 1:
            return self.crypto.hash(b"\x01" + u32(x >> 1) + b"\x00")
        node = self.parent(x)
        content = b"\x00"
        if node is not None:
            hidden = set(without)
            kept = tuple(leaf for leaf in node.unmerged_leaves if leaf not in hidden)
            content = b"\x01" + node._replace(unmerged_leaves=kept).encode()
        left = self.tree_hash_without(tree_math.left(x), without)
        right = self.tree_hash_without(tree_math.right(x), without)
        return self.crypto.hash(b"\x02" + content + vl(left) + vl(right))

    def raw_nodes(self) -> tuple[bytes | None, ...]:
        """The encodings of all nodes (without their type octet), None where blank."""
        return tuple(self._raw)

    def encode(self) -> bytes:
        """The ratchet_tree extension's value, cut after the last node that is set (RFC 12.4.3.3)."""
        last = len(self._raw)
        while last and self._raw[last - 1] is None:
            last -= 1
        return vl(
            b"".join(
                b"\x00" if raw is None else (b"\x01\x02" if x & 1 else b"\x01\x01") + raw
                for x, raw in enumerate(self._raw[:last])
            )
        )


class Tree(_Nodes):
    """A ratchet tree that does not change. Its caches are filled on demand and are not part of its value."""

    __slots__ = ()

    def __init__(
        self,
        crypto: Crypto,
        raw: list[bytes | None],
        decoded: list[Node | None] | None = None,
        hashes: list[bytes | None] | None = None,
    ) -> None:
        self.crypto = crypto
        self._raw = raw
        self._decoded = [None] * len(raw) if decoded is None else decoded
        self._hashes = [None] * len(raw) if hashes is None else hashes

    def draft(self) -> TreeDraft:
        """A copy that can be changed; the tree itself stays as it is."""
        return TreeDraft(self.crypto, list(self._raw), list(self._decoded), list(self._hashes))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tree) and self._raw == other._raw

    def __hash__(self) -> int:
        return hash(self.tree_hash())

    def __repr__(self) -> str:
        return f"Tree({sum(1 for _ in self.members())} members, {self.leaf_count} leaves)"


class TreeDraft(_Nodes):
    """A tree in the making. Only the operations of RFC 9420 change it; `freeze` ends it."""

    __slots__ = ()

    def __init__(
        self, crypto: Crypto, raw: list[bytes | None], decoded: list[Node | None], hashes: list[bytes | None]
    ) -> None:
        self.crypto = crypto
        self._raw = raw
        self._decoded = decoded
        self._hashes = hashes

    def _set(self, x: int, raw: bytes | None, node: Node | None) -> None:
        self._raw[x] = raw
        self._decoded[x] = node
        self._hashes[x] = None

    def _forget_hashes_above(self, leaf: int) -> None:
        hashes = self._hashes
        for x in tree_math.direct_path(leaf, self.leaf_count):
            hashes[x] = None

    def set_leaf(self, number: int, leaf: LeafNode) -> None:
        """Replaces a leaf; nothing above it is blanked."""
        self._set(2 * number, leaf.raw, leaf)
        self._forget_hashes_above(number)

    def blank_path(self, number: int) -> None:
        """Blanks the intermediate nodes above a leaf."""
        for x in tree_math.direct_path(number, self.leaf_count):
            self._set(x, None, None)

    def set_parent(self, x: int, node: ParentNode) -> None:
        """Sets one intermediate node. The caller sets its whole path, so hashes above are dropped there."""
        self._set(x, node.encode(), node)

    def update(self, number: int, leaf: LeafNode) -> None:
        """Applies an Update (RFC 12.1.2)."""
        self.set_leaf(number, leaf)
        self.blank_path(number)

    def remove(self, number: int) -> None:
        """Applies a Remove (RFC 12.1.3), but for the truncation."""
        self._set(2 * number, None, None)
        self.blank_path(number)

    def truncate(self) -> None:
        """Halves the tree while its right half is blank."""
        raw = self._raw
        last = len(raw) - 1
        while last > 0 and raw[last] is None:
            last -= 2  # leaves are the even places
        count = 1
        while count <= last >> 1:
            count *= 2
        size = 2 * count - 1
        del raw[size:], self._decoded[size:], self._hashes[size:]

    def free_leaf(self) -> int:
        """The leftmost blank leaf; the tree is extended when there is none. Raises PeerError when it is full."""
        for number, raw in enumerate(self._raw[::2]):
            if raw is None:
                return number
        count = self.leaf_count
        if count * 2 > limits.LEAVES_MAX:
            raise PeerError(Check.TREE_TOO_LARGE)
        new = len(self._raw) + 1
        self._raw.extend([None] * new)
        self._decoded.extend([None] * new)
        self._hashes.extend([None] * new)
        return count

    def add(self, leaf: LeafNode) -> int:
        """Applies an Add (RFC 12.1.1) and returns the new leaf's number."""
        number = self.free_leaf()
        for x in tree_math.direct_path(number, self.leaf_count):
            node = self.parent(x)
            if node is not None:
                unmerged = tuple(sorted((*node.unmerged_leaves, number)))
                self.set_parent(x, node._replace(unmerged_leaves=unmerged))
        self.set_leaf(number, leaf)
        return number

    def freeze(self) -> Tree:
        """The finished tree. The draft must not be used afterwards."""
        return Tree(self.crypto, self._raw, self._decoded, self._hashes)


def peek_encryption_key(raw: bytes) -> bytes:
    """The first field of an encoded node whose form was checked before."""
    first = raw[0]
    if first < 0x40:
        return raw[1 : 1 + first]
    if first < 0x80:
        return raw[2 : 2 + ((first & 0x3F) << 8 | raw[1])]
    return Reader(raw).vl()


def peek_signature_key(raw: bytes) -> bytes:
    """The second field of an encoded leaf whose form was checked before."""
    if raw[0] == 32 and raw[33] == 32:
        return raw[34:66]
    reader = Reader(raw)
    reader.vl()
    return reader.vl()


def single_leaf_tree(crypto: Crypto, leaf: LeafNode) -> Tree:
    """The tree of a new group."""
    return Tree(crypto, [leaf.raw], [leaf])


def read_tree(crypto: Crypto, reader: Reader) -> Tree:
    """A ratchet_tree value (RFC 12.4.3.3). Form only; `tree_check` verifies it. Raises PeerError."""
    sub = reader.sub()
    raw: list[bytes | None] = []
    decoded: list[Node | None] = []
    size_max = 2 * limits.LEAVES_MAX - 1
    if sub.end - sub.pos > limits.TREE_BYTES_MAX:
        raise PeerError(Check.TREE_TOO_LARGE, "bytes")
    readers: tuple[Callable[[Reader], Node], ...] = (read_leaf, read_parent)
    while sub.pos < sub.end:
        x = len(raw)
        if x >= size_max:
            raise PeerError(Check.TREE_TOO_LARGE)
        if not sub.present():
            raw.append(None)
            decoded.append(None)
            continue
        kind = sub.u8()
        if kind not in (_NODE_LEAF, _NODE_PARENT):
            raise PeerError(Check.UNKNOWN_ENUM, "node type")
        if kind != (_NODE_PARENT if x & 1 else _NODE_LEAF):
            raise PeerError(Check.TREE_NODE_TYPE, f"node {x}")
        start = sub.pos
        node = readers[x & 1](sub)
        raw.append(sub.data[start : sub.pos])
        decoded.append(node)
    if not raw or raw[-1] is None:
        raise PeerError(Check.TREE_BLANK_END)
    size = 1
    while size < len(raw):
        size = 2 * size + 1
    missing = size - len(raw)
    return Tree(crypto, raw + [None] * missing, decoded + [None] * missing)
