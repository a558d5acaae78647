"""The command line: `storescope`."""

from storescope.apps._cli import main

__all__ = ["main"]
