"""The JSON that the pages ask for."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from storescope.apps.view import _queries as queries
from storescope.apps.view._explain import residency, residency_of_record
from storescope.apps.view._filter import Filter
from storescope.apps.view._limits import RefusedError
from storescope.apps.view._tree import waterfall

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from storescope.apps.view._sources import Sources

_NS_PER_MS = 1_000_000


class Api:
    """Answers from the sources: the spans, and what else the viewer was given."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def routes(self) -> list[Route]:
        """Return where it answers."""
        return [
            Route("/api/status", self._endpoint(self.status)),
            Route("/api/traces", self._endpoint(self.traces)),
            Route("/api/facets", self._endpoint(self.facets)),
            Route("/api/trace/{trace_id}", self._endpoint(self.trace)),
            Route("/api/session", self._endpoint(self.session)),
            Route("/api/charts", self._endpoint(self.charts)),
        ]

    def status(self, _: Request) -> dict[str, Any]:
        """Return what is there: counts, and the audit log's state."""
        with self._sources.store.reading() as connection:
            counts = queries.count(connection)
        audit = self._sources.audit
        return {
            **counts,
            "charts": self._sources.metrics is not None,
            "audit": None if audit is None else audit.state(),
        }

    def traces(self, request: Request) -> dict[str, Any]:
        """Return a page of the list."""
        wanted = Filter.of(request.query_params)
        with self._sources.store.reading() as connection:
            found = queries.list_traces(connection, wanted, request.query_params.get("before", ""))
            counts = queries.count(connection)
        for trace in found["traces"]:
            _in_milliseconds(trace)
        return {**found, "stored": counts}

    def facets(self, _: Request) -> dict[str, Any]:
        """Return what may be filtered by."""
        with self._sources.store.reading() as connection:
            return queries.facets(connection)

    def trace(self, request: Request) -> dict[str, Any]:
        """Return one trace as a waterfall, with its audit records."""
        found = self.whole_trace(request.path_params["trace_id"])
        begin = found["start"]
        _in_milliseconds(found)
        for span in found["waterfall"]:
            span["offset"] = (span["start"] - begin) / _NS_PER_MS
            span["own"] /= _NS_PER_MS
            span["gaps"] = [[(at - begin) / _NS_PER_MS, ns / _NS_PER_MS] for at, ns in span["gaps"]]
            for event in span.get("events", ()):
                event["offset"] = (event.pop("time") - begin) / _NS_PER_MS
            _in_milliseconds(span)
        return found

    def whole_trace(self, trace_id: str) -> dict[str, Any]:
        """Return one trace with everything that is known of it, times in ns.

        Raises:
            RefusedError: If there is no such trace.
        """
        with self._sources.store.reading() as connection:
            found = queries.find_trace(connection, trace_id)
            if found is None:
                raise RefusedError(404, "there is no such trace: its spans have not arrived, or were dropped")
            spans = queries.spans_of(connection, trace_id)
        for span in spans:
            span["residency"] = residency(span.get("attributes", {}))
        found["waterfall"] = waterfall(spans)
        audit = self._sources.audit
        found["audit"] = None if audit is None else audit.records_of(trace_id.lower())
        for record in found["audit"] or ():
            record["residency"] = residency_of_record(record)
        return found

    def session(self, request: Request) -> dict[str, Any]:
        """Return a session's storage history."""
        session = Filter.of({"session": request.query_params.get("id", "")}).session
        if not session:
            raise RefusedError(400, "id must name the session")
        with self._sources.store.reading() as connection:
            found = queries.session_history(connection, session)
        for operation in found["operations"]:
            _in_milliseconds(operation)
        return found

    def charts(self, _: Request) -> dict[str, Any]:
        """Return the series of the charts."""
        if self._sources.metrics is None:
            raise RefusedError(404, "start the viewer with --metrics URL to see charts")
        return self._sources.metrics.series()

    def _endpoint(self, answer: Callable[[Request], dict[str, Any]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            # The version is read before the answer is made: a change meanwhile makes the next one differ.
            version = self._sources.version()
            seen_version, _, seen_digest = request.headers.get("if-none-match", "").strip('"').partition("/")
            if seen_version == version:
                return _unchanged(version, seen_digest)
            try:
                body = await run_in_threadpool(lambda: orjson.dumps(answer(request)))
            except RefusedError as refused:
                return JSONResponse({"error": str(refused)}, refused.status)
            digest = blake2b(body, digest_size=8).hexdigest()
            if seen_digest == digest:  # something changed, but not this
                return _unchanged(version, digest)
            return Response(body, headers={"ETag": f'"{version}/{digest}"'}, media_type="application/json")

        return endpoint


def _unchanged(version: str, digest: str) -> Response:
    return Response(status_code=304, headers={"ETag": f'"{version}/{digest}"'})


def _in_milliseconds(thing: dict[str, Any]) -> None:
    """Turn ns into ms: JavaScript's numbers do not hold ns since 1970."""
    for key in ("start", "duration"):
        thing[key] /= _NS_PER_MS
