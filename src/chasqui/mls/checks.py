"""Every rule that a peer can break, once, with its number and its source.

The numbers are stable: a retired rule leaves a hole, a new one takes the next free number of its block.
`docs/mls.md` and the tests read this table; a test fails when a row is enforced nowhere or broken by no test.
"RFC" is RFC 9420; "beyond" marks what we refuse although the RFC would let it pass.
"""

from __future__ import annotations

from enum import Enum


class Check(Enum):
    """(number, section, text) of a rule. `PeerError.check` carries the row that was violated."""

    # 1xx: encoding
    TRUNCATED = (101, "RFC 2.1", "a field ends before its length")
    TRAILING_BYTES = (102, "RFC 2.1", "bytes follow the last field")
    LENGTH_NOT_MINIMAL = (103, "RFC 2.1.2", "a vector length is not in its shortest form")
    LENGTH_RESERVED = (104, "RFC 2.1.2", "a vector length uses the reserved prefix 11")
    OPTIONAL_FLAG = (105, "RFC 2.1.1", "the presence octet of an optional is neither 0 nor 1")
    UNKNOWN_ENUM = (106, "RFC 6", "an enumeration holds a value that is reserved or unknown")
    UNKNOWN_VERSION = (107, "RFC 6", "the protocol version is not mls10")
    UNKNOWN_WIRE_FORMAT = (108, "RFC 6", "the wire format is unknown")
    UNKNOWN_PROPOSAL = (109, "RFC 12.1", "the proposal type is unknown, so its end cannot be found")
    UNKNOWN_CREDENTIAL = (110, "RFC 5.3", "the credential type is unknown, so its end cannot be found")
    TOO_LARGE = (111, "beyond", "the message or field is larger than limits.py allows")
    TOO_MANY = (112, "beyond", "a vector has more elements than limits.py allows")
    DUPLICATE_EXTENSION = (113, "RFC 13.4", "a list of extensions holds one type twice")
    WRONG_WIRE_FORMAT = (114, "RFC 6", "the message is of another kind than expected here")

    # 2xx: keys and cryptography
    KEY_LENGTH = (201, "RFC 5.1.1", "a public key, KEM output or signature has the wrong length")
    KEY_SMALL_ORDER = (202, "beyond", "a Diffie-Hellman public key has small order or the shared secret is zero")
    KEY_NOT_CANONICAL = (203, "beyond", "a Diffie-Hellman public key is not in canonical form")
    HPKE_OPEN = (204, "RFC 5.1.3", "an HPKE ciphertext does not open")
    AEAD_OPEN = (205, "RFC 6.3", "an AEAD ciphertext does not open")
    UNSUPPORTED_SUITE = (206, "RFC 5.1", "the cipher suite is not one of ours")

    # 3xx: leaf nodes and key packages
    LEAF_SIGNATURE = (301, "RFC 7.3", "the signature of the leaf node is invalid")
    LEAF_SOURCE = (302, "RFC 7.3", "leaf_node_source does not fit the place of the leaf node")
    LEAF_LIFETIME = (303, "RFC 7.3", "the leaf node is not within its lifetime")
    LEAF_LIFETIME_TOO_LONG = (304, "RFC 7.2", "the lifetime is longer than the application's maximum")
    LEAF_REQUIRED_CAPABILITIES = (305, "RFC 7.3", "the leaf node lacks a required capability of the group")
    LEAF_CREDENTIAL_UNSUPPORTED = (306, "RFC 7.3", "some member does not support a credential type in use")
    LEAF_OWN_CREDENTIAL = (307, "RFC 7.2", "the leaf node's credential type is not in its own capabilities")
    LEAF_EXTENSION_NOT_LISTED = (308, "RFC 7.3", "an extension of the leaf node is not in its capabilities")
    LEAF_GROUP_EXTENSION = (309, "RFC 13.4", "the leaf node does not support an extension of the group")
    LEAF_SUITE = (310, "RFC 7.2", "the leaf node's capabilities lack the group's cipher suite or version")
    LEAF_SAME_ENCRYPTION_KEY = (311, "RFC 7.3", "an updated leaf keeps its old encryption key")
    DUPLICATE_SIGNATURE_KEY = (312, "RFC 7.3", "two members would share a signature key")
    DUPLICATE_ENCRYPTION_KEY = (313, "RFC 7.3", "two nodes of the tree would share an encryption key")
    KEY_PACKAGE_SIGNATURE = (314, "RFC 10.1", "the signature of the key package is invalid")
    KEY_PACKAGE_SUITE = (315, "RFC 10.1", "the key package is for another cipher suite or version")
    KEY_PACKAGE_INIT_KEY = (316, "RFC 10.1", "init_key equals the leaf's encryption key")
    KEY_PACKAGE_EXTENSION = (317, "RFC 10", "an extension of the key package is not in its capabilities")
    CREDENTIAL_CHANGED = (318, "RFC 5.3.1", "a member with a basic credential takes another identity")

    # 4xx: framing
    WRONG_GROUP = (401, "RFC 6", "the message belongs to another group")
    WRONG_EPOCH = (402, "RFC 12.4.2", "the message belongs to another epoch")
    SENDER_UNKNOWN = (403, "RFC 6.1", "the sender is no member, or no listed external sender")
    CONTENT_SIGNATURE = (404, "RFC 6.1", "the signature of the message is invalid")
    MEMBERSHIP_TAG = (405, "RFC 6.2", "the membership tag is invalid")
    CONFIRMATION_TAG = (406, "RFC 6.1", "the confirmation tag is invalid")
    PUBLIC_APPLICATION = (407, "RFC 6", "application data travels in a PublicMessage")
    EXTERNAL_CONTENT = (408, "RFC 6.1", "the sender type may not send this content")
    OWN_MESSAGE = (410, "RFC 12.4.2", "the message claims to be our own: reflected, or sent by a copy of us")
    PADDING = (411, "RFC 6.3.1", "the padding is not all zero")
    GENERATION_PAST = (412, "RFC 9.2", "the key of this generation is already used or erased: a replay")
    GENERATION_FAR = (413, "RFC 15.3", "the generation lies too far ahead")
    SENDER_DATA = (414, "RFC 6.3.2", "the sender data names a leaf outside the group")
    NO_MESSAGE_KEYS = (415, "RFC 9.2", "the keys for private messages of this epoch are erased")

    # 5xx: proposals and their lists
    PROPOSAL_REF_UNKNOWN = (501, "RFC 12.4", "the commit refers to a proposal that we do not hold")
    UPDATE_BY_COMMITTER = (502, "RFC 12.2", "the list holds an Update of the committer")
    REMOVE_OF_COMMITTER = (503, "RFC 12.2", "the list removes the committer")
    MULTIPLE_PER_LEAF = (504, "RFC 12.2", "several Updates or Removes apply to one leaf")
    ADD_DUPLICATE = (505, "RFC 12.2", "several Adds bring the same client")
    ADD_MEMBER = (506, "RFC 12.2", "an Add brings a client who is a member already")
    PSK_DUPLICATE = (507, "RFC 12.2", "one pre-shared key is proposed twice")
    GCE_DUPLICATE = (508, "RFC 12.2", "the list holds several GroupContextExtensions")
    REINIT_NOT_ALONE = (509, "RFC 12.2", "a ReInit stands together with other proposals")
    EXTERNAL_INIT_BY_MEMBER = (510, "RFC 12.2", "a member's commit holds an ExternalInit")
    REMOVE_BLANK = (511, "RFC 12.1.3", "a Remove names no member")
    PSK_USAGE = (512, "RFC 12.1.4", "a resumption key for reinit or branch is used elsewhere")
    PSK_NONCE = (513, "RFC 12.1.4", "psk_nonce is not of length KDF.Nh")
    PSK_UNKNOWN = (514, "RFC 12.4.2", "we do not hold the pre-shared key")
    REINIT_VERSION = (515, "RFC 12.1.5", "a ReInit asks for an older protocol version")
    GCE_UNSUPPORTED = (516, "RFC 12.1.7", "some member lacks what the new group extensions require")
    EXTERNAL_INIT_COUNT = (517, "RFC 12.2", "an external commit does not hold exactly one ExternalInit")
    EXTERNAL_LIST = (518, "RFC 12.2", "an external commit holds a proposal that it must not")
    EXTERNAL_BY_REFERENCE = (519, "RFC 12.4.3.2", "an external commit refers to a proposal")
    EXTERNAL_REMOVE = (520, "RFC 12.2", "an external commit removes somebody else: credential or key differ")
    EXTERNAL_PROPOSAL_TYPE = (521, "RFC 12.1.8", "an external sender may not send this proposal")
    TOO_MANY_PROPOSALS = (523, "beyond", "more proposals, or bytes of them, than limits.py allows")
    EXTENSION_MALFORMED = (524, "RFC 13.4", "a known extension does not decode")
    GROUP_CLOSED = (525, "RFC 12.4.2", "the group was closed by a ReInit")
    EXTERNAL_DISABLED = (526, "RFC 12.4.3.2", "this state takes no external commits")

    # 6xx: commits and the ratchet tree
    PATH_MISSING = (601, "RFC 12.4", "the commit needs a path and has none")
    PATH_LENGTH = (602, "RFC 7.6", "the path has not one node per node of the filtered direct path")
    PATH_CIPHERTEXTS = (603, "RFC 7.6", "a path node has not one ciphertext per node of the resolution")
    PATH_KEY_REUSED = (604, "RFC 12.4.2", "a public key of the path is in the tree already, or twice in the path")
    PATH_PARENT_HASH = (605, "RFC 7.9.2", "the committer's leaf does not carry the parent hash of the path")
    PATH_SECRET_MISMATCH = (606, "RFC 7.5", "a derived public key differs from the one sent")
    PATH_NO_KEY = (607, "RFC 7.5", "we hold no private key of the resolution")
    TREE_BLANK_END = (608, "RFC 12.4.3.3", "the ratchet tree ends with a blank node")
    TREE_NODE_TYPE = (609, "RFC 12.4.3.3", "a node of the ratchet tree is of the wrong type for its place")
    TREE_HASH = (610, "RFC 12.4.3.1", "the tree hash differs from the group context")
    TREE_PARENT_HASH = (611, "RFC 7.9.2", "a parent node is not parent-hash valid")
    UNMERGED_ORDER = (612, "RFC 7.1", "unmerged_leaves is not strictly increasing")
    UNMERGED_LEAF = (613, "RFC 12.4.3.1", "an unmerged leaf is blank or no descendant of its node")
    UNMERGED_PATH = (614, "RFC 12.4.3.1", "a node between lacks the unmerged leaf")
    TREE_TOO_LARGE = (615, "beyond", "the tree has more leaves or bytes than limits.py allows")
    EPOCH_EXHAUSTED = (616, "beyond", "the epoch number cannot grow")

    # 7xx: welcome and group info
    WELCOME_NOT_FOR_US = (701, "RFC 12.4.3.1", "the welcome holds nothing for this key package")
    WELCOME_SUITE = (702, "RFC 12.4.3.1", "the welcome's or group info's cipher suite is not the key package's")
    WELCOME_TREE_MISSING = (703, "RFC 12.4.3.3", "the ratchet tree is neither in the message nor given")
    WELCOME_OPEN = (704, "RFC 12.4.3.1", "the encrypted group info does not open")
    GROUP_INFO_SIGNER = (705, "RFC 12.4.3", "the signer of the group info is a blank or missing leaf")
    GROUP_INFO_SIGNATURE = (706, "RFC 12.4.3", "the signature of the group info is invalid")
    WELCOME_OWN_LEAF = (707, "RFC 12.4.3.1", "no leaf of the tree is the one in the key package")
    WELCOME_PATH_SECRET = (708, "RFC 12.4.3.1", "the path secret does not give the keys of the tree")
    WELCOME_PSKS = (709, "RFC 12.4.3.1", "reinit or branch is not the only such pre-shared key")
    WELCOME_EPOCH = (710, "RFC 12.4.3.1", "a reinitialised or branched group does not start at epoch 1")
    WELCOME_REINIT = (711, "RFC 11.2", "the new group does not match the ReInit")
    WELCOME_BRANCH = (712, "RFC 11.3", "the branched group does not match its parent")
    GROUP_EXTENSION_UNSUPPORTED = (713, "RFC 13.4", "we do not support an extension of the group")
    EXTERNAL_PUB_MISSING = (714, "RFC 12.4.3.2", "the group info has no external_pub")
    GROUP_ID_KNOWN = (715, "RFC 12.4.3.1", "we are already in a group of this id")
    WELCOME_SIGNER_IS_US = (716, "beyond", "the group info is signed from our own new leaf")

    @property
    def number(self) -> int:
        """The stable number of the rule."""
        return self.value[0]

    @property
    def section(self) -> str:
        """Where the rule comes from: a section of RFC 9420, or 'beyond'."""
        return self.value[1]

    @property
    def text(self) -> str:
        """What was wrong, as a clause."""
        return self.value[2]
