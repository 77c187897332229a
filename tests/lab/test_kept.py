"""Seeds that once failed are played again for ever. One that is `known` is not mended yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from chasqui.lab.failures import read_kept
from chasqui.lab.run import play
from chasqui.lab.scenario import find_scenario

KEPT = sorted((Path(__file__).parent / "kept").glob("*.toml"))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_a_kept_seed_holds(path: Path, request: pytest.FixtureRequest) -> None:
    kept = read_kept(path)
    if kept.known:
        request.applymarker(pytest.mark.xfail(strict=True, reason="known, not mended yet"))
    outcome = play(find_scenario(kept.scenario), kept.seed)
    assert outcome.held, "\n".join(outcome.complaints())
