"""The HTTP API of a Prometheus, as far as dashboards ask it."""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from storescope.dashboards._errors import DashboardError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer.

    Attributes:
        labels: Its labels.
        points: Seconds since 1970 and value; NaN and infinities among them.
    """

    labels: dict[str, str]
    points: list[tuple[float, float]]


class PrometheusApi:
    """A running server."""

    def __init__(self, url: str) -> None:
        """Take where it is; it is asked later.

        Raises:
            DashboardError: If it is no URL of HTTP.
        """
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise DashboardError("a Prometheus is named by a URL such as http://127.0.0.1:9090")
        self._base = f"{url.rstrip('/')}/api/v1/"
        # A proxy is for what lies outside; what is asked is what the user named.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def instant(self, expr: str, at: float) -> list[Series]:
        """Evaluate once, at a time in seconds since 1970.

        Raises:
            DashboardError: If it does not answer, or refuses the query.
        """
        answer = self._get("query", {"query": expr, "time": at})
        if answer["resultType"] == "scalar":
            return [_series({}, [answer["result"]])]
        return [_series(row["metric"], [row["value"]]) for row in answer["result"]]

    def over_time(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        """Evaluate every `step` seconds.

        Raises:
            DashboardError: As above.
        """
        asked = {"query": expr, "start": start, "end": end, "step": step}
        return [_series(row["metric"], row["values"]) for row in self._get("query_range", asked)["result"]]

    def label_values(self, selector: str, label: str, start: float, end: float) -> list[str]:
        """Return every value of a label in the series selected.

        Raises:
            DashboardError: As above.
        """
        values: list[str] = self._get(f"label/{label}/values", {"match[]": selector, "start": start, "end": end})
        return values

    def exemplars(self, expr: str, start: float, end: float) -> Iterator[tuple[float, float, dict[str, str]]]:
        """Return time, value and labels of the exemplars behind an expression.

        Raises:
            DashboardError: As above.
        """
        for row in self._get("query_exemplars", {"query": expr, "start": start, "end": end}):
            for each in row["exemplars"]:
                yield float(each["timestamp"]), float(each["value"]), each["labels"]

    def _get(self, path: str, parameters: dict[str, Any]) -> Any:
        try:
            with self._opener.open(
                f"{self._base}{path}?{urlencode(parameters)}", timeout=_TIMEOUT_SECONDS
            ) as answer:
                body = json.load(answer)
        except urllib.error.HTTPError as error:
            raise DashboardError(f"the Prometheus refused a query: {_words_of(error)}") from None
        except (OSError, ValueError) as error:
            raise DashboardError(f"the Prometheus does not answer: {type(error).__name__}") from None
        return body["data"]


def is_finite(value: float) -> bool:
    """Say whether a panel could draw it."""
    return math.isfinite(value)


def _series(labels: dict[str, str], values: list[Any]) -> Series:
    return Series(labels, [(float(at), float(value)) for at, value in values])


def _words_of(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (OSError, ValueError, KeyError):
        return f"HTTP {error.code}"
