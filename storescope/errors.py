"""Every error that storescope raises.

StorageError
├── RecordNotFoundError         an update of a record that does not exist
├── InvalidRecordError          an argument that the contract refuses
├── RecordTooLargeError         a record that the store cannot hold
├── VersionConflictError        a write of the KV layer found another version than it expected
├── IndexConflictError          a value of a unique index belongs to another key of the KV layer
├── UnsupportedOperationError   no such operation, or no handler for it
├── WrapError                   middleware that cannot be composed like that
├── TenantRequiredError         a call without a tenant on a store that keeps tenants apart
├── ResidencyError              the region guard denied the call
├── PolicyError                 a residency policy that cannot be used
├── AuditError                  the audit log cannot be opened, written or read
├── StorageTimeoutError         the call took longer than `timeout()` allows
├── BackendError                the store behind a shipped backend failed
├── MissingExtraError           an optional dependency is not installed
├── middleware.MoveRefusedError a session that must not be moved, or need not be
├── dashboards.DashboardError   dashboards that cannot be generated, checked or drawn as asked
├── durable.DurableError        a workflow's step that cannot be recorded, or replayed
├── conformance.TargetError     what should be a handler map cannot be opened, or is none
└── LoadError                   `storescope load` cannot be run as it was asked for

No text of theirs holds record content or an id. Each survives pickling with its class and attributes.
An exception that a user's own handler raises is never translated into one of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from storescope.call import ResidencyDecision

_APPLIED = "; a write may have been applied"


class StorageError(Exception):
    """The root of the tree.

    Attributes:
        retryable: Whether the same call may succeed if it is made again.
        maybe_applied: Whether the call wrote, or may yet write, although it raised: the answer was lost. If not,
            nothing was written. A retry is safe if `retryable and not maybe_applied`; else it could undo what
            somebody else has written since, unless the caller is the only one who writes this record.
    """

    retryable: bool = False
    maybe_applied: bool = False

    def __reduce__(self) -> tuple[Callable[..., StorageError], tuple[Any, ...]]:
        return rebuild, (type(self), self.args, self.__dict__)


def rebuild(cls: type[StorageError], args: tuple[Any, ...], state: dict[str, Any]) -> StorageError:
    """Restore an error past its `__init__`, whose signature differs from class to class."""
    error = cls.__new__(cls)
    error.args = args
    if isinstance(error, ImportError):
        ImportError.__init__(error, *args)  # its `msg` is kept apart from its arguments
    error.__dict__.update(state)
    return error


class RecordNotFoundError(StorageError):
    """An update named a record that does not exist.

    Attributes:
        entity: What was looked for, `session` for example.
        id: The id that was given. It is not in the text, so that a logged error names nobody.
    """

    def __init__(self, entity: str, id: str) -> None:
        super().__init__(f"{entity}.update: no {entity} has this id")
        self.entity = entity
        self.id = id


class InvalidRecordError(StorageError):
    """An id, a value or updates that the contract refuses. Nothing was written."""


class RecordTooLargeError(StorageError):
    """The store cannot hold a record of this size. Nothing was written."""


class VersionConflictError(StorageError):
    """A write of the KV layer found another version than the one it expected. Nothing was written.

    Attributes:
        retryable: True if it was an `update` that lost too many times in a row: it may win the next time. A `set`
            with the version that it expected never will.
    """

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class IndexConflictError(StorageError):
    """A record of the KV layer has a value that, by a unique index, is another record's. Nothing was written.

    Attributes:
        index: The index's name.
    """

    def __init__(self, index: str) -> None:
        super().__init__(f"the unique index {index} has another record with this value")
        self.index = index


class UnsupportedOperationError(StorageError):
    """The contract has no such operation, or the handler map has no handler for it."""


class WrapError(StorageError):
    """`wrap` was given middleware that cannot be composed like that."""


class TenantRequiredError(StorageError):
    """The backend keeps tenants apart, and the call has no tenant."""


class ResidencyError(StorageError):
    """The region guard denied the call; the backend was not contacted.

    Attributes:
        decision: The `Decision`, with its code, rule, facts and what would have been allowed.
    """

    def __init__(self, message: str, decision: ResidencyDecision) -> None:
        super().__init__(message)
        self.decision = decision


class PolicyError(StorageError):
    """A residency policy cannot be read or used; the text names file, key and what is allowed.

    Attributes:
        key: The key that is wrong, `rules.eu-only.home`; None if it is not about one.
    """

    def __init__(self, message: str, *, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


class AuditError(StorageError):
    """The audit log cannot be opened, written or read."""


class StorageTimeoutError(StorageError):
    """A call was given up after the seconds that `timeout()` allows. One that writes may have written.

    Attributes:
        seconds: The limit that was passed.
    """

    retryable = True

    def __init__(self, operation: str, seconds: float) -> None:
        writes = operation.endswith((".set", ".update"))
        super().__init__(f"{operation} took longer than {seconds:g} s" + (_APPLIED if writes else ""))
        self.seconds = seconds
        self.maybe_applied = writes


class BackendError(StorageError):
    """A shipped backend's store failed, or could not be opened.

    It is raised `from None`: the texts of drivers hold keys and row values.

    Attributes:
        driver_error: The driver's class and code, `sqlite3.OperationalError:SQLITE_FULL`; None if the
            fault was found before a driver was asked.
        retryable: Whether the same call may succeed later.
        maybe_applied: Whether a write of this call may have been applied all the same, or may yet be: the text
            says so too. It is so after a time-out and after a connection that was lost on the way; never of a
            call that only reads, and never if the store answered or was not reached.
    """

    def __init__(
        self,
        message: str,
        *,
        driver_error: str | None = None,
        retryable: bool = False,
        maybe_applied: bool = False,
    ) -> None:
        super().__init__(message + (_APPLIED if maybe_applied else ""))
        self.driver_error = driver_error
        self.retryable = retryable
        self.maybe_applied = maybe_applied


class MissingExtraError(StorageError, ImportError):
    """Something needs a package of an extra that is not installed; the text says how to install it."""
