"""Mutation testing of the validation code: changes one thing at a time; does any test notice?

`python -m tests.mls.mutants [file ...]` copies the package, mutates it, runs itself with `--judge` on the
copy, and lists what survived. Survivors that change nothing that can be observed are explained in EXPLAINED.
"""

from __future__ import annotations

import ast
import copy
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "chasqui" / "mls"
FILES = (
    "codec.py",
    "x25519.py",
    "xwing.py",
    "ed25519.py",
    "hpke.py",
    "credential.py",
    "extensions.py",
    "leaf.py",
    "key_package.py",
    "parent.py",
    "psk.py",
    "proposals.py",
    "framing.py",
    "welcome.py",
    "tree.py",
    "tree_check.py",
    "treekem.py",
    "secret_tree.py",
    "protect.py",
    "staging.py",
    "selection.py",
    "pending.py",
    "processing.py",
    "joining.py",
    "external.py",
    "transition.py",
    "state_codec.py",
)

_NARROWING = "for the type checker: what it excludes was excluded before"
_QUICK = "a quicker way to the same answer"
EXPLAINED: dict[str, str] = {
    "codec.py swap pos + 2 > end": "a minimal length of two bytes is at least 64, which does not fit either",
    "x25519.py drop operand 0 of key[31] >= 127": _QUICK,
    "x25519.py no raise PeerError(Check.KEY_SMALL_ORDER, 'X25519 shared": "every such point is on the list before it",
    "xwing.py no raise PeerError(Check.KEY_LENGTH, 'X-Wing public": "the X25519 half then has the wrong length",
    "hpke.py swap length <= 32": _QUICK,
    "hpke.py no raise PeerError(Check.AEAD_OPEN, 'shorter": "pyca refuses such a ciphertext too",
    "tree.py swap first <": _QUICK,
    "tree.py drop operand 0 of raw[0] == 32": _QUICK,
    "tree.py drop operand 1 of raw[0] == 32": _QUICK,
    "tree.py swap raw[": _QUICK,
    "tree.py drop operand 0 of last": "some node is always set",
    "tree.py swap last > 0": "some node is always set",
    "tree_check.py drop operand 1 of leaf.parent_hash or": _NARROWING,
    "tree_check.py swap d < p": "a node is not its own parent",
    "treekem.py drop operand 2 of x < size": "whoever replaces a key of ours gives us the new one",
    "protect.py swap generation >=": "2^32 messages of one sender in one epoch",
    "protect.py drop operand 0 of message.membership_tag": _NARROWING,
    "processing.py drop operand 0 of state.messages is None": "both secrets are erased together",
    "processing.py drop operand 1 of state.messages is None": "both secrets are erased together",
    "processing.py drop operand 1 of own_update is not None": _NARROWING,
    "processing.py drop operand 0 of tag is None": _NARROWING,
    "processing.py drop operand 1 of staged.external_init": _NARROWING,
    "processing.py drop operand 0 of old is None": _NARROWING,
    "processing.py drop operand 0 of leaf is not None and": _NARROWING,
    "processing.py drop operand 1 of leaf is not None and": _QUICK,
    "processing.py drop operand 0 of item.sender == own": "only our own Updates have private keys",
    "processing.py drop operand 1 of item.sender == own": "only our own Updates have private keys",
    "joining.py drop operand 0 of wanted is None": _NARROWING,
    "state_codec.py swap len(data) > limits": "the checksum refuses it as well; the bound saves time",
    "state_codec.py no raise StateError('larger": "the checksum refuses it as well; the bound saves time",
}
"""Survivors (file, then how the description begins), each with the reason why no test can or need tell."""

_SWAPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


def _is_refusal(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and isinstance(node.exc.func, ast.Name)
        and node.exc.func.id in ("PeerError", "StateError")
    )


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """(description, mutated source) for each refusal, comparison, boolean operand and `not`."""
    tree = ast.parse(source)
    for at, node in enumerate(ast.walk(tree)):
        line = getattr(node, "lineno", 0)
        text = ast.unparse(node) if isinstance(node, ast.expr | ast.stmt) else ""
        if _is_refusal(node):
            yield f"{line}: no {text}", _changed(tree, at, lambda _: ast.Pass())
        elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _SWAPS:
            yield f"{line}: swap {text}", _changed(tree, at, _swap)
        elif isinstance(node, ast.BoolOp):
            for place in range(len(node.values)):
                yield f"{line}: drop operand {place} of {text}", _changed(tree, at, _dropper(place))
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield f"{line}: drop not of {text}", _changed(tree, at, lambda n: n.operand)


def _swap(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Compare)
    node.ops = [_SWAPS[type(node.ops[0])]()]
    return node


def _dropper(place: int):  # type: ignore[no-untyped-def]
    def drop(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.BoolOp)
        rest = [value for number, value in enumerate(node.values) if number != place]
        return rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)

    return drop


def _changed(tree: ast.Module, at: int, change) -> str:  # type: ignore[no-untyped-def]
    fresh = copy.deepcopy(tree)
    target = next(node for number, node in enumerate(ast.walk(fresh)) if number == at)

    class Replace(ast.NodeTransformer):
        def generic_visit(self, node: ast.AST) -> ast.AST:
            if node is target:
                made: ast.AST = change(node)
                return ast.copy_location(made, node)
            return super().generic_visit(node)

        visit = generic_visit

    return ast.unparse(ast.fix_missing_locations(Replace().visit(fresh)))


def judge() -> int:
    """Runs the tests that ought to notice, in this process. 1 when one failed."""
    import pytest

    quick = ["test_checks.py", "test_abuse.py", "test_edges.py", "test_selection.py", "test_hpke.py", "test_group.py"]
    written = ["test_mutants_checks.py", "test_mutants_reports.py", "test_mutants_bounds.py"]
    more = ["test_usage.py", "test_canonical.py", "test_states.py"]
    more += ["test_vectors_parts.py", "test_vectors_trees.py", "test_vectors_groups.py"]
    files = [str(Path(__file__).parent / name) for name in (*quick, *written, *more)]
    options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not long", "-k", "not every_row and not table"]
    return int(pytest.main([*options, *files]) != 0)


def run(names: list[str]) -> list[str]:
    """The survivors of these files."""
    survivors: list[str] = []
    for name in names:
        source = (PACKAGE / name).read_text()
        found = list(mutants(source))
        killed = 0
        for description, mutated in found:
            with tempfile.TemporaryDirectory() as folder:
                copied = Path(folder) / "chasqui"
                shutil.copytree(PACKAGE, copied / "mls", ignore=shutil.ignore_patterns("__pycache__"))
                (copied / "__init__.py").write_text("")
                (copied / "mls" / name).write_text(mutated)
                environment = {**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
                done = subprocess.run(
                    [sys.executable, "-m", "tests.mls.mutants", "--judge"],
                    cwd=ROOT,
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    timeout=120,
                    check=False,
                )
            if done.returncode:
                killed += 1
            else:
                survivors.append(f"{name}:{description}")
                print(f"  survived {name}:{description}", flush=True)
        print(f"{name}: {killed} of {len(found)} killed", flush=True)
    return survivors


def unexplained(survivors: list[str]) -> list[str]:
    """Those that EXPLAINED does not know."""
    plain = [re.sub(r"^(\S+\.py):\d+: ", r"\1 ", item) for item in survivors]
    return [item for item in plain if not any(item.startswith(known) for known in EXPLAINED)]


if __name__ == "__main__":
    if sys.argv[1:] == ["--judge"]:
        sys.exit(judge())
    left = unexplained(run(sys.argv[1:] or list(FILES)))
    sys.exit("\n".join(["unexplained survivors:", *left]) if left else 0)
