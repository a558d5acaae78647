"""The demo: a scripted agent with real tools, on the wrapped storage, and the report of what was seen."""

from storescope.apps.demo._run import HOME, prepare, run
from storescope.apps.demo._text import show

__all__ = ["HOME", "prepare", "run", "show"]
