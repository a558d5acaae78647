"""The viewer as one ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware

from storescope.apps.view._api import Api
from storescope.apps.view._door import Door
from storescope.apps.view._ingest import Receiver
from storescope.apps.view._pages import Pages

if TYPE_CHECKING:
    from storescope.apps.view._sources import Sources


def application(sources: Sources) -> Starlette:
    """Make it over what is shown; who made the sources closes them."""
    api = Api(sources)
    routes = [*Receiver(sources.store).routes(), *api.routes(), *Pages(api).routes()]
    return Starlette(routes=routes, middleware=[Middleware(Door)])
