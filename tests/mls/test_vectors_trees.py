"""Official vectors of the ratchet tree, TreeKEM, messages and framing."""

from __future__ import annotations

from chasqui.mls import treekem
from chasqui.mls.codec import Reader, decode_all, vl
from chasqui.mls.framing import PrivateMessage, PublicMessage, SenderType, read_message
from chasqui.mls.key_package import read_key_package_form
from chasqui.mls.key_schedule import GroupContext
from chasqui.mls.leaf import LeafTemplate
from chasqui.mls.proposals import Add, Remove, Update, read_commit, read_proposal
from chasqui.mls.secret import Secret
from chasqui.mls.suite import Crypto, crypto_of
from chasqui.mls.tree import Tree, read_tree
from chasqui.mls.tree_check import check_tree
from chasqui.mls.update_path import read_update_path
from chasqui.mls.welcome import read_group_secrets
from tests.mls.support import Rng, cases, h, load


def tree_of(crypto: Crypto, data: bytes) -> Tree:
    tree = decode_all(data, lambda reader: read_tree(crypto, reader))
    assert tree.encode() == data
    return tree


def test_tree_operations() -> None:
    for case in cases("tree-operations"):
        crypto = crypto_of(case["cipher_suite"])
        before = tree_of(crypto, h(case["tree_before"]))
        assert before.tree_hash() == h(case["tree_hash_before"])
        proposal = decode_all(h(case["proposal"]), read_proposal)
        assert proposal.encode() == h(case["proposal"])
        draft = before.draft()
        if isinstance(proposal, Add):
            draft.add(proposal.key_package.leaf)
        elif isinstance(proposal, Update):
            draft.update(case["proposal_sender"], proposal.leaf)
        elif isinstance(proposal, Remove):
            draft.remove(proposal.removed)
            draft.truncate()
        after = draft.freeze()
        assert after.encode() == h(case["tree_after"])
        assert after.tree_hash() == h(case["tree_hash_after"])
        assert before.encode() == h(case["tree_before"])


def test_tree_validation() -> None:
    for case in cases("tree-validation"):
        crypto = crypto_of(case["cipher_suite"])
        tree = tree_of(crypto, h(case["tree"]))
        for x, want in enumerate(case["tree_hashes"]):
            assert tree.tree_hash(x) == h(want)
        for x, resolution in enumerate(case["resolutions"]):
            assert tree.resolution(x) == resolution
        check_tree(crypto, tree, h(case["group_id"]), ())


def test_treekem() -> None:
    for case in cases("treekem"):
        crypto = crypto_of(case["cipher_suite"])
        tree = tree_of(crypto, h(case["ratchet_tree"]))
        group_id = h(case["group_id"])

        def context_of(tree_hash: bytes, case: dict[str, str] = case, group_id: bytes = group_id) -> bytes:
            return GroupContext(
                int(case["cipher_suite"]),
                group_id,
                int(case["epoch"]),
                tree_hash,
                h(case["confirmed_transcript_hash"]),
                (),
            ).encode()

        keys: dict[int, dict[int, Secret]] = {}
        for member in case["leaves_private"]:
            own = {2 * member["index"]: Secret(h(member["encryption_priv"]))}
            for entry in member["path_secrets"]:
                private, public = treekem.node_key_pair(crypto, h(entry["path_secret"]))
                assert tree.key(entry["node"]) == public
                own[entry["node"]] = Secret(private)
            keys[member["index"]] = own
        seeds = {member["index"]: h(member["signature_priv"]) for member in case["leaves_private"]}
        for given in case["update_paths"]:
            sender = given["sender"]
            path = decode_all(h(given["update_path"]), read_update_path)
            assert path.encode() == h(given["update_path"])
            draft = tree.draft()
            filtered = treekem.merge_path(crypto, draft, sender, path)
            path.leaf.check_signature(crypto, group_id, sender)
            assert draft.tree_hash() == h(given["tree_hash_after"])
            for leaf, secret in enumerate(given["path_secrets"]):
                if secret is None:
                    continue
                taken = treekem.take_path(
                    crypto, draft, filtered, path, leaf, keys[leaf], context_of(draft.tree_hash()), ()
                )
                first = next(x for x, sibling in filtered if x in taken.keys)
                assert taken.keys[first] == Secret(treekem.node_key_pair(crypto, h(secret))[0])
                assert taken.commit_secret == h(given["commit_secret"])
            own_leaf = tree.leaf(sender)
            assert own_leaf is not None
            draft = tree.draft()
            made = treekem.make_path(
                crypto,
                draft,
                sender,
                LeafTemplate.of(own_leaf),
                (seeds[sender], own_leaf.signature_key),
                group_id,
                context_of,
                (),
                Rng(sender),
            )
            again = tree.draft()
            filtered = treekem.merge_path(crypto, again, sender, made.path)
            assert again.tree_hash() == draft.tree_hash()
            for leaf, own in keys.items():
                if leaf != sender:
                    taken = treekem.take_path(
                        crypto, again, filtered, made.path, leaf, own, context_of(again.tree_hash()), ()
                    )
                    assert taken.commit_secret == made.commit_secret


def test_messages() -> None:
    crypto = crypto_of(1)
    for case in load("messages"):
        for name in ("mls_welcome", "mls_group_info", "mls_key_package"):
            message = read_message(h(case[name]))
            encoded = message.raw if name == "mls_key_package" else message.encode()  # type: ignore[union-attr]
            assert h(case[name])[4:] == encoded
        assert tree_of(crypto, h(case["ratchet_tree"]))
        secrets = decode_all(h(case["group_secrets"]), read_group_secrets)
        assert secrets.encode() == h(case["group_secrets"])
        # The files hold bare structures here: the proposal type is to be put before them.
        for number, name in enumerate(
            (
                "add_proposal",
                "update_proposal",
                "remove_proposal",
                "pre_shared_key_proposal",
                "re_init_proposal",
                "external_init_proposal",
                "group_context_extensions_proposal",
            ),
            1,
        ):
            data = number.to_bytes(2, "big") + h(case[name])
            assert decode_all(data, read_proposal).encode() == data
        data = h(case["commit"])
        assert decode_all(data, read_commit).encode() == data
        for name in ("public_message_application", "public_message_proposal", "public_message_commit"):
            public = read_message(h(case[name]))
            assert isinstance(public, PublicMessage)
            assert public.encode() == h(case[name])[4:]
            assert public.content.sender.type in set(SenderType)
        private = read_message(h(case["private_message"]))
        assert isinstance(private, PrivateMessage)
        assert private.encode() == h(case["private_message"])[4:]
        reader = Reader(h(case["mls_key_package"])[4:])
        assert read_key_package_form(reader).raw == reader.data
    assert vl(b"") == b"\0"
