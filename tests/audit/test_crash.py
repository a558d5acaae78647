"""`kill -9` loses no record that a call was acknowledged with, and leaves a log that verifies."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storescope.middleware import AuditLog
from storescope.middleware._audit._keys import generate
from storescope.middleware._audit._verify import Verdict, verify

ROUNDS = 5 * int(os.environ.get("STORESCOPE_ROUNDS_SCALE", "1"))
WRITER = """
import asyncio, itertools, sys
from storescope import CallContext, Store
from storescope.middleware import AuditLog
from tests.audit.logs import wrapped

async def main():
    log = AuditLog.open(sys.argv[1], auditor=sys.argv[2], durability=sys.argv[3])
    handlers = wrapped(log)
    for number in itertools.count():
        context = CallContext(call_id=f"call{number}")
        await Store("session.set", {"id": "s1", "value": {}}, context).on(handlers)
        print(number, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("durability", ["group", "each", "none"])
def test_a_killed_writer_loses_nothing_that_it_acknowledged(durability: str, tmp_path: Path) -> None:
    public, secret = generate(tmp_path / "auditor")
    chance = random.Random(4711)
    for round_ in range(ROUNDS):
        folder = tmp_path / f"audit{round_}"
        command = [sys.executable, "-c", WRITER, str(folder), str(public), durability]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as writer:
            assert writer.stdout is not None
            first = writer.stdout.readline()
            time.sleep(chance.uniform(0, 0.1))
            writer.kill()
            acknowledged = [int(number) for number in (first + writer.stdout.read()).split(b"\n")[:-1]]
        assert verify(folder, secret).verdict is Verdict.UNSEALED
        written: dict[str, set[str]] = {"intent": set(), "outcome": set()}
        for line in next(folder.glob("*.jsonl")).read_bytes().split(b"\n")[:-1]:
            record = json.loads(line)
            written.setdefault(record["phase"], set()).add(record["call_id"])
        calls = {f"call{number}" for number in acknowledged}
        assert calls
        assert calls <= written["intent"]
        assert calls <= written["outcome"]
        AuditLog.open(folder, auditor=public).close()  # the next writer finds nothing to mend
        assert verify(folder, secret).verdict is Verdict.UNSEALED
