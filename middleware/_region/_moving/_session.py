"""`move_session`: moves a session from one region to another, and keeps the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from storescope.backends._names import check_name
from storescope.errors import InvalidRecordError, PolicyError
from storescope.middleware._region._guard import FixedPolicy
from storescope.middleware._region._labels import Labels
from storescope.middleware._region._moving._move import WHY, Mover
from storescope.middleware._region._moving._proof_files import ProofFiles
from storescope.middleware._region._moving._rows import Side
from storescope.middleware._region._pins._pin import PinKey
from storescope.middleware._region._policy import ResidencyPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from storescope.backends import Backend
    from storescope.middleware._region._memory import PolicySource
    from storescope.middleware._region._moving._journal import Moved
    from storescope.middleware._region._moving._proof import Ids
    from storescope.middleware._region._pins._registry import PinRegistry


class ProvenMove(NamedTuple):
    """A move that was made.

    Attributes:
        moved: What was moved.
        proof: The file of the proof; beside it, with the ending `.salt`, lies its salt.
        public_key: The public key that verifies it, if the pair was made now; else None.
    """

    moved: Moved
    proof: Path
    public_key: Path | None


async def move_session(  # noqa: PLR0913 (each but five has a default, and all but one are given by name)
    session: str,
    *,
    to: str,
    backends: Mapping[str, Backend],
    policy: ResidencyPolicy | PolicySource,
    pins: PinRegistry,
    proof: str | Path = "residency-proofs",
    key: str | Path | None = None,
    ids: Ids = "hashed",
    label_keys: Sequence[bytes] = (),
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> ProvenMove:
    """Move a session with its messages and parts to another region, and keep the proof of it.

    Calls on the session wait meanwhile, and are refused after `wait_seconds` of the registry. If the move is
    broken off, however, make the same call again: it finishes the move. Until then the session cannot be used.

    Args:
        session: The session's id.
        to: The region to move it to.
        backends: Region -> backend, as `open_backend` returns it, without a guard; the two regions at least.
        policy: What is allowed; a `PolicyFile` is followed while the move is made.
        pins: The registry that all processes share.
        proof: Where the proof goes: a file, `NAME.json`, or a folder for many.
        key: The secret key of `storescope residency keygen` that signs the proof; None for `residency.key` in the
            proof's folder, which is made on first use.
        ids: `hashed`, or `clear` to have the ids of the session and its records in the proof.
        label_keys: Keys for the labels' MACs, as for `region_guard`.
        progress: Told what is being done, for how many records so far, and of how many.

    Returns:
        What was moved, and where the proof is.

    Raises:
        MoveRefusedError: If the session must not be moved or is not pinned; it can be used where it is.
        InvalidRecordError: If it is no session's id. Nothing was changed, as after the next two.
        PolicyError: If a backend says that it is in another region.
        ProofError: If the key or the proof's place cannot be used. If the proof cannot be written in the end, the
            move is broken off.
        BackendError: If a store or the registry failed: the move is broken off.
    """
    if not session:
        raise InvalidRecordError("move_session: a session's id is a string that is not empty")
    sides = sides_of(backends)
    seen = await pins.fences.read(PinKey("session", check_name(session, "the session's id")))
    fence = seen.pin.fence if seen else None
    unfinished = fence.data["move"] if fence and fence.why == WHY else None
    files = ProofFiles.prepare(proof, key, unfinished)
    stores = {region: backend.info for region, backend in backends.items()}
    written: list[Path] = []

    def keep(moved: Moved) -> None:
        written.append(files.write(moved, stores, ids))

    source: PolicySource = FixedPolicy(policy) if isinstance(policy, ResidencyPolicy) else policy
    labels = Labels(label_keys, name_ids=True)
    moved = await Mover(pins, source, sides, labels, keep, progress=progress).move(session, to)
    return ProvenMove(moved, written[-1], files.made)


def sides_of(backends: Mapping[str, Backend]) -> dict[str, Side]:
    """Return the ends of a move.

    Raises:
        PolicyError: If a backend says that it is in another region, or does not know.
    """
    for region, backend in backends.items():
        info = backend.info
        if info.region != region or info.region_confidence == "conflict":
            raise PolicyError(f"the backend given for {region} is in {info.region} ({info.region_confidence})")
    return {region: Side(region, backend) for region, backend in backends.items()}
