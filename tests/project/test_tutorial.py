"""Runs `docs/tutorial.md` as a reader would.

In blocks marked `console`, a line `$ COMMAND` is run, with the lines after it that begin with `> ` or follow a
backslash; all else is output, shown for the reader and not compared. All commands share one bash in one empty
folder, with `chasqui` on the PATH. A command must exit with 0, or as its comment `# exits N` says. Above a block,
`<!-- shows: TEXT -->` demands that its output holds TEXT, and `<!-- not run -->` leaves it out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.project.source import ROOT

TUTORIAL = ROOT / "docs" / "tutorial.md"
SECONDS_MAX = 300
EXITS = re.compile(r"#\s*exits (\d+)\s*$")
SHOWS = re.compile(r"<!--\s*shows:\s*(.+?)\s*-->")
FENCE = re.compile(r"(?P<indent> *)(?P<ticks>`{3,}|~{3,})\s*(?P<kind>\w*)")


@dataclass
class Command:
    """One command with the exit code it should give and what its block should show."""

    line: int
    text: str
    exits: int = 0


@dataclass
class Block:
    """A block of commands."""

    commands: list[Command] = field(default_factory=list)
    shows: list[str] = field(default_factory=list)


def blocks(text: str) -> list[Block]:
    """The blocks of a document that are to be run."""
    found: list[Block] = []
    shows: list[str] = []
    skip = False
    fence = ""
    block: Block | None = None
    for at, line in enumerate(text.splitlines(), 1):
        mark = FENCE.match(line)
        if fence:
            if line.strip().startswith(fence) and not line.strip().strip("`~"):
                fence, block = "", None
            elif block is not None:
                _add(block, at, line.strip())
        elif mark:
            fence = mark["ticks"]
            if mark["kind"] == "console" and not skip:
                block = Block(shows=shows)
                found.append(block)
            shows, skip = [], False
        elif line.strip():
            skip = skip or bool(re.match(r"\s*<!--\s*not run\s*-->", line))
            shows += SHOWS.findall(line)
            if not line.lstrip().startswith("<!--"):
                shows, skip = [], False
    return found


def _add(block: Block, at: int, line: str) -> None:
    last = block.commands[-1] if block.commands else None
    if line.startswith("$ "):
        block.commands.append(Command(at, line[2:]))
    elif last and (last.text.endswith("\\") or line.startswith("> ")):
        last.text += "\n" + line.removeprefix("> ")
    else:
        return
    exits = EXITS.search(line)
    if exits:
        block.commands[-1].exits = int(exits[1])


def run(found: list[Block], folder: Path) -> list[str]:
    """Runs the blocks in an empty folder; returns what went wrong."""
    tools = folder / "bin"
    tools.mkdir()
    chasqui = tools / "chasqui"
    chasqui.write_text(f"#!{sys.executable} -P\nimport sys\nfrom chasqui.app.main import main\nsys.exit(main())\n")
    chasqui.chmod(0o755)
    home = folder / "home"
    home.mkdir()
    mark = "@@tutorial"
    script = ["exec 2>&1"]
    numbered = [(block, command) for block in found for command in block.commands]
    for number, (_, command) in enumerate(numbered):
        script += [f"printf '\\n{mark} {number}\\n'", "{", command.text, "}", f"printf '\\n{mark} = %d\\n' $?"]
    (folder / "script").write_text("\n".join(script) + "\n")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("CHASQUI_", "XDG_"))}
    environment |= {"HOME": str(home), "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    log = folder / "log"
    with log.open("wb") as sink:  # a file, not a pipe: a daemon that was started holds it open
        subprocess.run(
            ["bash", str(folder / "script")],
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            timeout=SECONDS_MAX,
            check=False,
        )
    pieces = re.split(rf"^{mark} (\d+)\n", log.read_text(errors="replace"), flags=re.MULTILINE)
    saids = dict(zip(map(int, pieces[1::2]), pieces[2::2], strict=True))
    wrong = []
    shown: dict[int, str] = {}
    for number, (block, command) in enumerate(numbered):
        said = saids.get(number, "")
        shown[id(block)] = shown.get(id(block), "") + said
        ended = re.search(rf"^{mark} = (\d+)$", said, re.MULTILINE)
        code = int(ended[1]) if ended else None
        if code != command.exits:
            wrong.append(f"line {command.line}: `{command.text}` exits {code}, not {command.exits}:\n{said}")
    for block in found:
        said = shown.get(id(block), "")
        at = block.commands[0].line if block.commands else 0
        wrong += [f"block at line {at} does not show {text!r}:\n{said}" for text in block.shows if text not in said]
    return wrong


def test_the_tutorial_runs(tmp_path: Path) -> None:
    if not TUTORIAL.exists():
        pytest.skip("docs/tutorial.md is not written yet")
    found = blocks(TUTORIAL.read_text(encoding="utf-8"))
    assert found
    wrong = run(found, tmp_path)
    assert not wrong, "\n".join(wrong)


def test_the_runner(tmp_path: Path) -> None:
    text = """
<!-- shows: one two -->
```console
$ mkdir inner && cd inner
$ echo one \\
  two
one three
$ cat <<END
> from here
> END
```

<!-- not run -->
```console
$ exit 3
```

1. Later:
   ```console
   $ test "$(basename "$PWD")" = inner
   $ false  # exits 1
   $ (exit 4)
   ```

```sh
$ not a command
```

<!-- shows: nowhere -->
```console
$ sleep 60 &
$ kill $!
$ which chasqui
```
"""
    wrong = run(blocks(text), tmp_path)
    assert len(wrong) == 2, wrong
    assert "`(exit 4)` exits 4, not 0" in wrong[0]
    assert "does not show 'nowhere'" in wrong[1]
