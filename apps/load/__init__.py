"""`storescope load`: many agent sessions at once through the four middlewares, with faults on purpose."""

from storescope.apps.load._errors import LoadError
from storescope.apps.load._options import LoadOptions
from storescope.apps.load._report import LoadReport
from storescope.apps.load._run import run
from storescope.apps.load._text import show

__all__ = ["LoadError", "LoadOptions", "LoadReport", "run", "show"]
