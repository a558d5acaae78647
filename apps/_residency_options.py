"""What the commands that deal with several regions' stores have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AsyncExitStack

    from storescope.backends import Backend

label_key = click.option(
    "--label-key",
    "key_files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A file with the key of the labels' MACs, as label_keys= has it. The first one signs.",
)


def backends(*, required: bool) -> Callable[[Any], Any]:
    """Return the option that names the stores."""
    return click.option(
        "--backend",
        "urls",
        metavar="REGION=URL",
        multiple=True,
        required=required,
        callback=_by_region,
        help="A region and its store, aws:eu-west-1=redis://db1:6379/0; once for each.",
    )


def _by_region(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Return region -> URL. What is wrong is not repeated: it may hold a password."""
    urls: dict[str, str] = {}
    for value in values:
        region, _equals, url = value.partition("=")
        if not url or ":" not in region or "/" in region:
            raise click.BadParameter("must be REGION=URL, aws:eu-west-1=redis://db1:6379/0")
        if region in urls:
            raise click.BadParameter(f"{region} is given twice")
        urls[region] = url
    return urls


def read_label_keys(files: tuple[Path, ...]) -> list[bytes]:
    """Return the keys that files hold."""
    from storescope.middleware._region._labels import SHORTEST_KEY

    keys: list[bytes] = []
    for file in files:
        try:
            keys.append(file.read_bytes())
        except OSError as error:
            raise click.BadParameter(
                f"{file}: cannot be read: {error.strerror}", param_hint="--label-key"
            ) from None
        if len(keys[-1]) < SHORTEST_KEY:
            raise click.BadParameter(f"{file}: must hold {SHORTEST_KEY} bytes or more", param_hint="--label-key")
    return keys


async def open_stores(urls: dict[str, str], stack: AsyncExitStack) -> dict[str, Backend]:
    """Open the stores for as long as the stack lasts."""
    from storescope.backends import open_backend

    return {
        region: await stack.enter_async_context(open_backend(existing(url), region=region))
        for region, url in urls.items()
    }


def existing(url: str) -> str:
    """Return the URL of a store that must be there: a slip in a folder's name must not make an empty one."""
    if not url.startswith(("local:", "kv+local:")) or "create=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}create=false"
