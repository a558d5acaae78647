"""schemathesis against a real bridge: no 5xx from input, and only what its OpenAPI document says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.bridge.bridges import serving
from tests.rounds import SCALE

EXAMPLES = 5 * SCALE
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_no_input_is_a_server_error(tmp_path: Path) -> None:
    """501 is the stated answer to an operation that there is not, and no failure of the server."""
    (tmp_path / "schemathesis.toml").write_text(
        '[checks.not_a_server_error]\nexpected-statuses = ["2xx", "3xx", "4xx", 501]\n'
    )
    with serving("--backend", "memory:", cwd=tmp_path) as bridge:
        program = Path(sys.executable).parent / "schemathesis"
        command = [str(program), "run", f"{bridge.url}/openapi.json", "--url", bridge.url, "--checks", CHECKS]
        limits = ["--max-examples", str(EXAMPLES), "--phases", "examples,coverage,fuzzing", "--seed", "7"]
        done = subprocess.run(
            [*command, *limits, "--no-color"],
            cwd=tmp_path,
            check=False,
            capture_output=True,
            text=True,
            timeout=1_800,
        )
        assert done.returncode == 0, done.stdout[-6_000:] + json.dumps(done.stderr[-500:])
        assert bridge.get("/readyz").status == 200
