"""`storescope serve`: the wrapped handler map over HTTP, for agents in other languages."""

from storescope.apps.serve._options import ServeError, ServeOptions, TlsOptions
from storescope.apps.serve._server import serve

__all__ = ["ServeError", "ServeOptions", "TlsOptions", "serve"]
