"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator

import pytest

from tests.project.source import PACKAGE, ROOT, modules, name, texts, tree

pytestmark = pytest.mark.rule

LINES_MAX = 450
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-mutate.lock")
LABELS = PACKAGE / "base" / "labels.py"
DOMAIN = re.compile(rb"(chq\d|chasqui) ")
# In pieces, so that this file does not name what it looks for.
REFUSED = [
    ".".join(pieces)
    for pieces in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("ftp", "debian", "org"),
        ("snapshot", "debian", "org"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
        ("rubygems", "org"),
        ("/opt/py" + "pi", ""),
        ("/work/", "library"),
    )
]


def test_files_are_short() -> None:
    long = [f"{name(p)}: {n}" for p in modules() if (n := len(p.read_text().splitlines())) > LINES_MAX]
    assert not long, f"more than {LINES_MAX} lines: {long}"


def test_what_is_public_says_what_it_is() -> None:
    missing = []
    for path in modules():
        module = tree(path)
        if not ast.get_docstring(module):
            missing.append(name(path))
        for node in module.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                overload = any(ast.unparse(mark).endswith("overload") for mark in node.decorator_list)
                if not node.name.startswith("_") and not overload and not ast.get_docstring(node):
                    missing.append(f"{name(path)}:{node.lineno} {node.name}")
    assert not missing, f"no docstring: {missing}"


def test_packages_that_reexport_say_what() -> None:
    """An `__init__` that imports names declares `__all__`, and every name in it exists there."""
    wrong = []
    for path in PACKAGE.rglob("__init__.py"):
        body = tree(path).body
        bound: set[str] = set()
        declared: list[str] | None = None
        for node in body:
            if isinstance(node, ast.ImportFrom) and node.module != "__future__":
                bound |= {alias.asname or alias.name for alias in node.names}
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                declared = ast.literal_eval(node.value)
        if bound and declared is None:
            wrong.append(f"{name(path)}: no __all__")
        elif declared is not None and "__getattr__" not in path.read_text():
            defined = {n.name for n in body if isinstance(n, ast.ClassDef | ast.FunctionDef)}
            assigned = {ast.unparse(t) for n in body if isinstance(n, ast.Assign) for t in n.targets}
            assigned |= {ast.unparse(n.target) for n in body if isinstance(n, ast.AnnAssign)}
            wrong += [f"{name(path)}: {extra}" for extra in set(declared) - bound - defined - assigned]
    assert not wrong, wrong


def labels() -> Iterator[tuple[str, bytes]]:
    for node in tree(LABELS).body:
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            value = ast.literal_eval(node.value)
            yield ast.unparse(node.target), value.encode() if isinstance(value, str) else value


def test_labels_are_used_for_one_purpose_each() -> None:
    by_value: dict[bytes, list[str]] = {}
    for label, value in labels():
        by_value.setdefault(value, []).append(label)
    assert not [names for names in by_value.values() if len(names) > 1]
    blake2b_person_max = 16
    assert not [key for key, value in labels() if key.startswith(("KDF_", "HASH_")) and len(value) > blake2b_person_max]


def test_labels_live_in_one_file() -> None:
    known = {value for _, value in labels()}
    strays = []
    for path in modules():
        if path == LABELS:
            continue
        for node in ast.walk(tree(path)):
            value = node.value if isinstance(node, ast.Constant) else None
            stray = isinstance(value, bytes) and (DOMAIN.match(value) or value in known)
            if stray or (isinstance(value, str) and value.encode() in known):
                strays.append(f"{name(path)}:{ast.unparse(node)}")
    assert not strays, f"labels outside base/labels.py: {strays}"


def test_the_spec_lists_every_label() -> None:
    spec = ROOT / "docs" / "spec" / "labels.md"
    if not spec.exists():
        pytest.skip("docs/spec/labels.md is not written yet")
    text = spec.read_text(encoding="utf-8")
    shown = {key: value.rstrip(b"\0").decode() for key, value in labels()}
    assert not [f"{key}: {value}" for key, value in shown.items() if value not in text]


def test_no_file_names_a_registry() -> None:
    found = [f"{name(path)}: {word}" for path, text in texts() for word in REFUSED if word in text]
    assert not found, found


def test_locks_name_no_host() -> None:
    for lock in LOCKS:
        text = (ROOT / lock).read_text()
        assert "://" not in text, lock
        assert not re.search(r"^--?\w", text, re.MULTILINE), f"{lock} holds an option of pip"


def test_locks_agree() -> None:
    """What the runtime lock pins, the lock for developers pins alike, and no lock another version; all have hashes."""
    pin = re.compile(r"^([a-z0-9][\w.-]*==\S+)[^\n]*((?:\n    --hash=\S+(?: \\)?)*)", re.MULTILINE)
    runtime, dev, mutate = (dict(pin.findall((ROOT / lock).read_text())) for lock in LOCKS)
    assert runtime
    assert not runtime.keys() - dev.keys()
    assert not {pinned.split("==")[0] for pinned in mutate.keys() - dev.keys()} & {p.split("==")[0] for p in dev}
    assert not [pinned for pinned, hashes in {**runtime, **dev, **mutate}.items() if "sha256" not in hashes]


def test_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    asked = (project["project"]["dependencies"], groups["dev"], groups["mutate"])
    for lock, requirements in zip(LOCKS, asked, strict=True):
        pinned = set(re.findall(r"^([a-z0-9][\w.-]*)==", (ROOT / lock).read_text(), re.MULTILINE))
        names = {re.split(r"[^\w.-]", requirement)[0].lower() for requirement in requirements}
        assert not names - pinned, f"{lock}: run python3 dev.py lock"


def test_nothing_is_left_for_later_in_a_comment() -> None:
    words = re.compile("|".join(["TO" + "DO", "FIX" + "ME"]))
    ours = [(path, text) for path, text in texts() if path.suffix in (".py", ".md", ".toml", ".sh", ".js", ".css")]
    found = [name(path) for path, text in ours if words.search(text)]
    assert not found, f"file an issue instead: {found}"


def test_the_project_is_whole() -> None:
    assert "GNU GENERAL PUBLIC LICENSE" in (ROOT / "LICENSE").read_text()
    assert (PACKAGE / "py.typed").exists()


def test_changelog_fragments_are_of_a_known_type() -> None:
    kinds = "added|changed|fixed|removed|security|wire"
    good = re.compile(rf"(\d+|\+[\w-]+)(\.({kinds}))(\.\d+)?\.md|\.gitkeep|README\.md")
    folder = ROOT / "changelog.d"
    assert not [path.name for path in folder.iterdir() if not good.fullmatch(path.name)]
    assert not [p.name for p in folder.glob("*.md") if not p.read_text(encoding="utf-8").strip()]
