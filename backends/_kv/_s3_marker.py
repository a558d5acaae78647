"""The residency marker in a bucket: one object, whose name is no key's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from storescope.backends._identity import Identity
from storescope.backends._kv._s3_errors import CONFLICTS
from storescope.backends._machine import is_here, machine_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from obstore.store import S3Store

    from storescope.backends._kv._s3_connect import Address

_NAME = "residency-marker"


class Bucket(Protocol):
    """What a marker needs of the engine."""

    store: S3Store

    async def request(
        self,
        send: Callable[[], Awaitable[Any]],
        *,
        writes: bool = False,
        passes: tuple[type[Exception], ...] = (),
    ) -> Any:
        """Make a request, as `S3Kv` does."""
        ...


class S3Marker:
    """The marker of one prefix in one bucket."""

    def __init__(self, engine: Bucket, address: Address) -> None:
        self._engine = engine
        self._address = address

    async def identify(self) -> Identity:
        """Return host, port, bucket and prefix; on this machine, the machine too."""
        host = self._address.host.lower().removesuffix(".")
        server = host if self._address.port is None else f"{host}:{self._address.port}"
        place = f"s3://{server}/{self._address.bucket}/{self._address.prefix}"
        return Identity(place, machine=machine_id() if is_here(host) else "")

    async def read(self) -> str | None:
        """Return the text, or None."""

        async def read() -> bytes:
            return bytes(await (await self._engine.store.get_async(_NAME)).bytes_async())

        try:
            text: bytes = await self._engine.request(read, passes=(FileNotFoundError,))
        except FileNotFoundError:
            return None
        return text.decode(errors="replace")

    async def write(self, text: str, *, replace: bool) -> bool:
        """Write the text, over another only if told so, and return whether it was written."""

        def write() -> Awaitable[Any]:
            mode: Any = "overwrite" if replace else "create"
            return self._engine.store.put_async(_NAME, text.encode(), mode=mode, use_multipart=False)

        try:
            await self._engine.request(write, writes=True, passes=CONFLICTS)
        except CONFLICTS:
            return False
        return True
