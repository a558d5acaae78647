"""Durable steps: storage calls that are not made again when a workflow is replayed.

`storescope.durable.dbos.step` and `storescope.durable.temporal.activity` make them; so does `DurableStorage` with
an `Engine` of your own.
"""

from storescope.durable._engine import Answer, Engine, Place, Retry
from storescope.durable._errors import DurableError, StepFailed
from storescope.durable._run import Run
from storescope.durable._storage import DurableStorage

__all__ = ["Answer", "DurableError", "DurableStorage", "Engine", "Place", "Retry", "Run", "StepFailed"]
