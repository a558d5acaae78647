"""What traces are asked for: a trace is listed if one of its spans fits all of it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

from storescope.apps.view._limits import MOST_NAME_CHARS, RefusedError
from storescope.middleware._tracing import hash_session_id
from storescope.outcome import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_WORDS = 10
_NS_PER_MS = 1_000_000
_MOST_MS = 1e12


@dataclass(frozen=True, slots=True)
class Filter:
    """What is asked for; what is empty asks for nothing.

    Attributes:
        session: The session's id; spans that hold its hash are found too.
        operation: The storage operation.
        tenant: The tenant.
        backend: The backend's name, else its system.
        outcome: How it ended.
        min_ms: How long it took at least, in ms.
        q: Words that must all stand in the span's names and values, in either case.
    """

    session: str = ""
    operation: str = ""
    tenant: str = ""
    backend: str = ""
    outcome: str = ""
    min_ms: str = ""
    q: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        """Take it from a URL's query.

        Raises:
            RefusedError: If a value cannot be right; the text says what would be.
        """
        made = cls(**{field.name: query.get(field.name, "").strip() for field in fields(cls)})
        for field in fields(cls):
            if len(getattr(made, field.name)) > MOST_NAME_CHARS:
                raise RefusedError(400, f"{field.name} may have {MOST_NAME_CHARS} characters")
        if made.outcome and made.outcome not in OUTCOMES:
            raise RefusedError(400, f"outcome must be one of {', '.join(OUTCOMES)}")
        made._ns()
        return made

    def sql(self) -> tuple[str, dict[str, Any]]:
        """Return the condition on a span, empty if nothing is asked for, and its parameters."""
        wanted: dict[str, Any] = {
            "operation": self.operation,
            "tenant": self.tenant,
            "backend": self.backend,
            "outcome": self.outcome,
        }
        parameters = {name: value for name, value in wanted.items() if value}
        conditions = [f"{name} = :{name}" for name in parameters]
        if self.session:
            conditions.append("session IN (:session, :session_hash)")
            parameters |= session_parameters(self.session)
        if self.min_ms:
            conditions.append("duration >= :ns")
            parameters["ns"] = self._ns()
        for number, word in enumerate(self.q.lower().split()[:_MOST_WORDS]):
            conditions.append(f"instr(text, :word{number})")
            parameters[f"word{number}"] = word
        return " AND ".join(conditions), parameters

    def _ns(self) -> int:
        try:
            milliseconds = float(self.min_ms or 0)
        except ValueError:
            milliseconds = -1
        if not 0 <= milliseconds <= _MOST_MS:
            raise RefusedError(400, "min_ms must be a number of milliseconds, 0 or more")
        return int(milliseconds * _NS_PER_MS)


def session_parameters(session: str) -> dict[str, str]:
    """Return a session's id as spans may have it: as it is, and as `tracing(session_ids="hashed")` writes it."""
    return {"session": session, "session_hash": hash_session_id(session)}
