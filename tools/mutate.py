"""`dev.py mutate [--resume] [--write-docs] [PATTERN ...]`: mutmut on the checks of chasqui.mls.

It lists the survivors that nobody explained. It works in a copy below .cache/mutate, with mutmut installed beside it
from its own lock. A whole run takes about a quarter of an hour on two cores; --resume goes on where one was stopped.
PATTERN: names of mutants, as in "chasqui.mls.leaf*". Exit code 1: mutants are left to run, or some survivor is neither
explained in tests/mls/mutmut_explained.py nor about words for people.
"""

from __future__ import annotations

import ast
import copy
import datetime
import difflib
import fnmatch
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.mls.mutmut_explained import EXPLAINED
from tests.mls.support import VECTORS
from tools import setup

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".cache" / "mutate"
LOCK = ROOT / setup.MUTATE_LOCK
DOCUMENT = ROOT / "docs" / "mls-mutation.md"
COPIED = ("src", "tests", "tools", "docs", "pyproject.toml")
JUDGED = ("src/chasqui/mls", "tests/mls", "pyproject.toml")
WORKERS = 2

KILLED, SURVIVED, NO_TESTS, TIMED_OUT, NOT_RUN = "killed", "survived", "no test", "timed out", "not run"
_CODES = {None: NOT_RUN, 0: SURVIVED, 1: KILLED, 3: KILLED, 5: NO_TESTS, 33: NO_TESTS}
"""What mutmut notes; every other number is a death by signal or by the clock."""
WORDS, UNEXPLAINED = "words", "unexplained"
COLUMNS = (KILLED, WORDS, "explained", UNEXPLAINED, NO_TESTS, TIMED_OUT, NOT_RUN)


@dataclass(frozen=True)
class Mutant:
    """One change: where, what mutmut noted, the lines before and after, and why it lives."""

    file: str
    function: str
    number: int
    outcome: str
    removed: tuple[str, ...] = ()
    inserted: tuple[str, ...] = ()
    reason: str = ""

    @property
    def column(self) -> str:
        if self.outcome != SURVIVED:
            return self.outcome
        return self.reason if self.reason in (WORDS, UNEXPLAINED) else "explained"


class _Wordless(ast.NodeTransformer):
    """Takes the words for people out of the errors."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "PeerError":  # the row, then words
            node.args = node.args[:1]
        elif name in ("StateError", "UsageError"):  # words, then perhaps a row
            node.args = [ast.Constant(None), *node.args[1:]]
        return node


def library() -> Path:
    """The folder with mutmut and what it needs, installed when it is not there."""
    folder = ROOT / ".cache" / f"mutmut-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        setup.say(f"installing mutmut from {LOCK.name}, each package held to its hash")
        draft = folder.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        flags = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-q", "--target", str(draft)]
        command = [*setup.pip_command(), "install", *flags, "-r", str(LOCK)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"mutmut could not be installed:\n{done.stderr[-2000:]}")
        draft.rename(folder)
    return folder


def copy_checkout() -> None:
    """Makes the folder anew in which mutmut works."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, FOLDER / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, FOLDER / name)


def run(patterns: list[str]) -> None:
    """mutmut in the copy of the checkout. Without patterns it goes on where it was stopped."""
    path = library()
    environment = {**os.environ, "PYTHONPATH": str(path), "CHASQUI_MLS_VECTORS": str(VECTORS.resolve())}
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(WORKERS), *patterns]
    if sys.stdout.isatty():
        done = subprocess.run(command, cwd=FOLDER, env=environment, check=False)
    else:
        log = FOLDER / "log"
        print(f"mutmut runs; see {log}", flush=True)
        with log.open("w") as out:
            done = subprocess.run(command, cwd=FOLDER, env=environment, check=False, stdout=out, stderr=out)
    if done.returncode:
        sys.exit(f"mutmut failed with {done.returncode}: are the tests green in {FOLDER}?")


def mutants(folder: Path, patterns: list[str]) -> Iterator[Mutant]:
    """What a run left behind."""
    for noted in sorted((folder / "mutants" / "src" / "chasqui" / "mls").glob("*.py.meta")):
        file = noted.name.removesuffix(".meta")
        codes: dict[str, int | None] = json.loads(noted.read_text())["exit_code_by_key"]
        functions = {
            node.name: node
            for node in ast.walk(ast.parse(noted.with_suffix("").read_text()))
            if isinstance(node, ast.FunctionDef)
        }
        for key, code in codes.items():
            if not any(fnmatch.fnmatch(key, pattern) for pattern in patterns or ["*"]):
                continue
            mangled, number = re.fullmatch(r".*\.x_?(.+)__mutmut_(\d+)", key).groups()  # type: ignore[union-attr]
            function = mangled.strip("ǁ").replace("ǁ", ".")
            made = Mutant(file, function, int(number), _CODES.get(code, TIMED_OUT))
            if made.outcome == SURVIVED:
                name = key.rsplit(".", 1)[1]
                made = _judged(made, functions[name.replace(f"_mutmut_{number}", "_mutmut_orig")], functions[name])
            yield made


def _judged(mutant: Mutant, before: ast.FunctionDef, after: ast.FunctionDef) -> Mutant:
    """The mutant with its change and the reason why it lives."""
    old, new = copy.deepcopy(before), copy.deepcopy(after)
    old.name = new.name = mutant.function.split(".")[-1]
    changed = list(
        difflib.unified_diff(ast.unparse(old).splitlines(), ast.unparse(new).splitlines(), n=0, lineterm="")
    )[2:]
    removed = tuple(line[1:].strip() for line in changed if line.startswith("-"))
    inserted = tuple(line[1:].strip() for line in changed if line.startswith("+"))
    same = ast.dump(_Wordless().visit(old)) == ast.dump(_Wordless().visit(new))
    reason = WORDS if same else UNEXPLAINED
    if reason == UNEXPLAINED:
        text = "\n".join(inserted)
        for why, places in EXPLAINED.items():
            if any(piece in text for piece in places.get(f"{mutant.file} {mutant.function}", ())):
                reason = why
    return Mutant(mutant.file, mutant.function, mutant.number, mutant.outcome, removed, inserted, reason)


def figures(found: list[Mutant]) -> str:
    """The table in Markdown, a line per file."""
    counted = Counter((mutant.file, mutant.column) for mutant in found)
    files = sorted({mutant.file for mutant in found})
    lines = [f"| file | mutants | {' | '.join(COLUMNS)} |", f"|---|--:|{'--:|' * len(COLUMNS)}"]
    for file in files:
        row = [counted[file, column] for column in COLUMNS]
        lines.append(f"| `{file}` | {sum(row):,} | {' | '.join(f'{number:,}' for number in row)} |")
    sums = [sum(counted[file, column] for file in files) for column in COLUMNS]
    lines.append(f"| sum | {sum(sums):,} | {' | '.join(f'{number:,}' for number in sums)} |")
    return "\n".join(lines)


def survivors(found: list[Mutant]) -> str:
    """The explained survivors in Markdown, a paragraph per reason."""
    lines = []
    for why in EXPLAINED:
        mine = [mutant for mutant in found if mutant.reason == why]
        places: dict[str, list[str]] = {}
        for mutant in mine:
            places.setdefault(f"{mutant.file.removesuffix('.py')}.{mutant.function}", []).append(str(mutant.number))
        if mine:
            named = "; ".join(f"`{place}` {', '.join(numbers)}" for place, numbers in places.items())
            lines.append(f"- **{why}** ({len(mine)}): {named}.")
    return "\n".join(lines)


def _commit() -> str:
    """The last commit of what was mutated and of what judged it."""

    def git(*arguments: str) -> str:
        command = ["git", *arguments, "--", *JUDGED]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = " and changes after it" if git("status", "--porcelain") else ""
    return (git("log", "-1", "--format=%h") or "unknown") + changed


def _put(text: str, name: str, content: str) -> str:
    begin, end = f"<!-- {name} begin -->", f"<!-- {name} end -->"
    return f"{text.split(begin)[0]}{begin}\n{content}\n{end}{text.split(end)[1]}"


def write_docs(found: list[Mutant]) -> None:
    """Puts the figures and the survivors of this run into the page."""
    version = ".".join(map(str, sys.version_info[:3]))
    pinned = re.search(r"^mutmut==(\S+)", LOCK.read_text(), re.MULTILINE)
    head = f"{datetime.date.today()}, commit {_commit()}, mutmut {pinned and pinned[1]}, CPython {version}."
    text = DOCUMENT.read_text(encoding="utf-8")
    text = _put(text, "figures", f"{head}\n\n{figures(found)}")
    DOCUMENT.write_text(_put(text, "survivors", survivors(found)), encoding="utf-8")


def main(argv: list[str]) -> int:
    """Runs mutmut, prints the figures and what is not explained. 1 when there is such a thing."""
    patterns = [item for item in argv if not item.startswith("--")]
    if "--read" not in argv:  # for the author of an explanation: only judge the last run once more
        if "--resume" not in argv:
            copy_checkout()
        run(patterns)
    found = list(mutants(FOLDER, patterns))
    print(figures(found))
    odd = [item for item in found if item.column in (UNEXPLAINED, NO_TESTS, TIMED_OUT)]
    for item in odd:
        print(f"\n{item.column}: {item.file} {item.function} {item.number}")
        print("\n".join([*(f"  - {line}" for line in item.removed), *(f"  + {line}" for line in item.inserted)]))
    used = {(item.reason, f"{item.file} {item.function}") for item in found}
    stale = [f"{place}: {why}" for why, places in EXPLAINED.items() for place in places if (why, place) not in used]
    if stale and not patterns:
        print("\nno longer needed in mutmut_explained.py:", *stale, sep="\n  ")
    if "--write-docs" in argv:
        write_docs(found)
    return int(bool(odd) or any(item.column == NOT_RUN for item in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
