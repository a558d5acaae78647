"""Draw the README's picture: what `storescope demo` really prints.

python docs/images/make_demo_svg.py
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console

from storescope.apps.demo import run, show

ROOT = Path(__file__).parents[2]
PICTURE = Path(__file__).with_name("demo.svg")


def main() -> None:
    """Run the demo over this repository, in a folder of its own, and keep its output as a picture."""
    console = Console(record=True, width=100, file=StringIO(), force_terminal=True)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        show(asyncio.run(run("local:.storescope", ROOT)), console)
    # A fixed id, so that only what is shown changes between two runs.
    console.save_svg(str(PICTURE), title="storescope demo", unique_id="storescope-demo")


if __name__ == "__main__":
    main()
