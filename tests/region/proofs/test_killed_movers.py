"""`kill -9` of a move at any point: the same command finishes it, and the proof is one and complete."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.region.proofs.regions import EU, RECORDS, US, World, inside, proof_in, verify
from tests.rounds import LONG

pytestmark = pytest.mark.unmeasured

ROUNDS = 200 if LONG else 4


def test_a_move_that_is_killed_is_finished_by_the_same_command(made_folder: Path, tmp_path: Path) -> None:
    """Nothing is lost, nothing lies in two places in the end, and there is one proof, of all that was moved."""
    folders = [shutil.copytree(made_folder, tmp_path / str(number)) for number in range(ROUNDS)]
    command = [sys.executable, "-m", "tests.region.proofs.killed_movers", "4711", *map(str, folders)]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[3], check=False, capture_output=True, text=True, timeout=3000
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= ROUNDS / 2  # who was to be killed was killed
    for folder in folders:
        inside(folder, check)
        assert len(list((folder / "proofs").glob("*.json"))) == 1
        said = json.loads(proof_in(folder).read_bytes())
        assert said["counts"] == {"session": 1, "message": 2, "part": 1}
        assert verify(folder).code == 0


async def check(world: World) -> None:
    assert await world.rows(US) == RECORDS
    assert await world.rows(EU) == {}
    pin = await world.pin()
    assert (pin.region, pin.fence) == (US, None)
