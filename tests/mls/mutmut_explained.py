"""Why mutants live that no test can or need kill: reason, then file and function, then a piece of the changed line.

`python3 dev.py mutate` reads it and lists what it does not hold. Mutants that change only the words of an error, behind
the row of the table, are told apart by their syntax and do not stand here.
"""

from __future__ import annotations

EXPLAINED: dict[str, dict[str, tuple[str, ...]]] = {
    "the public key is derived from the seed when it is not given: slower, the same bytes": {
        "external.py join_external": ("content, context, seed, None)",),
        "external.py _signed": ("seed, None)",),
        "external.py propose_as_external_sender": ("signature_private, None)",),
        "external.py propose_own_add": ("reveal(), None)",),
        "joining.py _open": ("entry.secrets.ciphertext, None)", "entry.secrets.ciphertext)"),
        "key_package.py make_key_package": ("body, None)", "SIGN_KEY_PACKAGE, body))"),
        "leaf.py sign_leaf": ("content, None)", "SIGN_LEAF_NODE, content)"),
        "protect.py sign_content": ("context), None)", "content.tbs(wire_format, context))"),
        "welcome.py sign_group_info": ("SIGN_GROUP_INFO, body, None)", "SIGN_GROUP_INFO, body)"),
    },
    "nothing reads this value: another argument or the sender's kind decides that it is not used": {
        "external.py join_external": (
            "provisional_context(info.context, None, ())",
            "provisional_context(info.context, b'', None)",
            "provisional_context(info.context, b'XXXX', ())",
            "stage(crypto, old_tree, None, extensions",  # what an external commit may hold needs neither
            "stage(crypto, old_tree, info.context.group_id, None",
        ),
        "external.py _signed": ("content, None, seed", "content, b'XXXX', seed"),
        "external.py propose_own_add": ("to_wire(None, ", "key_package), None)"),
        "key_package.py KeyPackage.verify": ("check_signature(",),
        "leaf.py sign_leaf": ("group_id: bytes=b'XXXX'", "leaf_index: int=1"),
        "processing.py authenticate": ("(state.messages, 1)",),
        "protect.py to_private": ("authenticated_data, None, b''", "authenticated_data, b'', None", "b'XXXX'"),
    },
    "what it excludes was excluded before": {
        "key_package.py make_key_package": ("check_contents(crypto, None)",),  # the lifetime begins now
        "processing.py authenticate": ("state.messages is None and",),
        "processing.py _Taking._merge": ("external and False",),
        "processing.py _Taking._old_member": ("leaf is None and False",),
        "protect.py _guarded": ("zip(nonce[:4], guard",),
        "tree_check.py _claim": ("node is None", "leaf is None"),
    },
    "as true or as false as before": {
        "staging.py _check_list": ("gce = None",),
        "tree_check.py check_parent_hashes": ("vouched.get(x, None)", "vouched.get(x) != 1", "d <= p"),
        "joining.py _open": ("aead.open(key, nonce, None",),
    },
    "a quicker way to the same answer is not taken": {
        "processing.py _Taking._check_credentials": ("leaf is not None or",),
        "tree_check.py check_tree": ("2 * tree.leaf_count - 1)",),
        "tree_check.py check_parent_hashes": (
            "found = None",
            "hashes.get(None)",
            "resolution = None",
            "resolutions.get(None)",
        ),
    },
    "only odd numbers count, and the last one left out is even": {
        "tree_check.py check_tree": ("2 * tree.leaf_count - 2, 2)",),
        "tree_check.py check_unmerged": ("2 * tree.leaf_count - 2, 2)",),
        "tree_check.py check_parent_hashes": ("2 * tree.leaf_count - 2, 2)",),
    },
    "a length of two bytes is at least 64, so what is too short for it is too short for the vector": {
        "codec.py Reader.length": ("pos + 3 > end", "pos + 2 >= end"),
    },
    "four bytes are no hash of a parent: such a leaf vouches for nothing, as before": {
        "tree_check.py _claim": ("leaf.parent_hash or b'XXXX'",),
    },
    "two vouchers of one node cannot be made (see below)": {
        "tree_check.py check_parent_hashes": ("vouched.get(None, 0) + 1",),
    },
    "both limits of all are divided without rest by the shares": {
        "pending.py _check_share": ("CACHED_MAX / share", "BYTES_MAX / share"),
    },
    "mutmut switches its mutants on after the import, when this has run; by hand, each of them breaks every test": {
        "codec.py _packer": ("pack = None", "struct.Struct(None)", "pack(None)"),
    },
}
