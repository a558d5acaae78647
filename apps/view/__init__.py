"""The trace viewer: an OTLP receiver, a span store and a page, on one port of the loopback."""

from storescope.apps.view._retention import Bounds
from storescope.apps.view._server import Viewer
from storescope.apps.view._sources import Options

__all__ = ["Bounds", "Options", "Viewer"]
