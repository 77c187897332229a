"""`demo`, `bench`: other programs of the package and of a checkout."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import click

import chasqui
from chasqui.app.cli.base import Invocation, Leaf
from chasqui.base.errors import UserError

_PASS_ON = {"ignore_unknown_options": True, "allow_extra_args": True}


@click.command(cls=Leaf, context_settings=_PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def demo(call: Invocation, arguments: tuple[str, ...]) -> None:
    """Watch a group talk, and what a watcher sees."""
    if importlib.util.find_spec("chasqui.app.demo") is None:
        raise UserError("The demonstration is not part of this installation.")
    _become(["-P", "-m", "chasqui.app.demo", *(["--json"] if call.as_json else []), *arguments])


@click.command(cls=Leaf, context_settings=_PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def bench(call: Invocation, arguments: tuple[str, ...]) -> None:
    """Measure this machine. From a checkout only."""
    root = Path(chasqui.__file__).resolve().parents[2]
    if not (root / "bench" / "__main__.py").exists():
        raise UserError(
            "The measurements are not part of an installation.", todo="Take a checkout: `python3 dev.py bench`."
        )
    os.chdir(root)
    _become(["-m", "bench", *(["--json"] if call.as_json else []), *arguments])


def _become(arguments: list[str]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *arguments])


COMMANDS = (demo, bench)
