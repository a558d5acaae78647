"""Reads a Prometheus text endpoint every other second, and keeps what the charts need of it."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from storescope.apps.view._schema import ViewError
from storescope.apps.view._series import Sample, Series

if TYPE_CHECKING:
    from types import TracebackType

_EVERY_SECONDS = 2.0
_TIMEOUT_SECONDS = 5.0
_MOST_BYTES = 16 * 1024 * 1024
_MOST_SAMPLES = 900  # half an hour


class MetricsPoller:
    """Polls one endpoint.

    Attributes:
        version: Grows with every poll.
    """

    def __init__(self, url: str) -> None:
        """Begin.

        Raises:
            ViewError: If it is no URL of HTTP.
        """
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise ViewError(f"--metrics must be a URL such as http://127.0.0.1:9464/metrics, not {url[:200]!a}")
        self.version = 1
        self._url = url
        self._series = Series(_MOST_SAMPLES)
        self._lock = threading.Lock()
        self._problem: str | None = None
        # A proxy is for what lies outside; what is polled is what the user named.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="storescope-view-metrics", daemon=True)
        self._thread.start()

    def series(self) -> dict[str, Any]:
        """Return what the charts draw."""
        with self._lock:
            return {"url": self._url, "problem": self._problem, **self._series.to_dict()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _poll(self) -> None:
        while not self._stop.is_set():
            try:
                sample = Sample.of(time.time(), text_string_to_metric_families(self._read()))
                with self._lock:
                    self._series.add(sample)
                self._problem = None
            # ValueError: the parser's, and where a body is no UTF-8. It may raise what it likes at a hostile one.
            except Exception as error:
                reason = error.reason if isinstance(error, urllib.error.URLError) else error
                self._problem = f"{self._url} cannot be read: {str(reason)[:200] or type(error).__name__}"
            self.version += 1
            self._stop.wait(_EVERY_SECONDS)

    def _read(self) -> str:
        with self._opener.open(self._url, timeout=_TIMEOUT_SECONDS) as answer:
            body: bytes = answer.read(_MOST_BYTES + 1)
        if len(body) > _MOST_BYTES:
            raise ValueError(f"it holds more than {_MOST_BYTES // 1024 // 1024} MiB")
        return body.decode()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: only the URL that the user named is asked."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Refuse."""
