"""Reads a policy file and parses it, with errors in one line that name the file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from storescope.errors import PolicyError
from storescope.middleware._region._reader import one_line


def read(path: str | Path) -> bytes:
    """Return the file's content, or raise the one line that says why it cannot be had."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise PolicyError(one_line(f"{path}: cannot be read: {error.strerror}")) from None
    except ValueError:  # a NUL in the path
        raise PolicyError(one_line(f"{path}: cannot be read: this is no path")) from None


def parse(content: bytes, source: str) -> dict[str, Any]:
    """Return the tables of a TOML file, or raise the one line that says what is wrong with it."""
    try:
        return tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise PolicyError(one_line(f"{source}: must be UTF-8")) from None
    except (ValueError, RecursionError) as error:  # endless numbers and nesting are not TOMLDecodeErrors
        raise PolicyError(one_line(f"{source}: is not TOML: {error}")) from None
