"""The fuzz targets where atheris is not: their seeds and a few hundred inputs of hypothesis."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools import fuzz


def target(name: str) -> Callable[[bytes], None]:
    found: Callable[[bytes], None] = importlib.import_module(f"tests.fuzz.fuzz_{name}").target
    return found


@pytest.mark.parametrize("name", fuzz.targets())
def test_the_seeds_pass(name: str) -> None:
    run = target(name)
    for seed in sorted((fuzz.FOLDER / "corpus" / name).glob("*")):
        run(seed.read_bytes())


@pytest.mark.parametrize("name", fuzz.targets())
@given(data=st.binary(max_size=2_000))
def test_random_bytes_pass(name: str, data: bytes) -> None:
    target(name)(data)
