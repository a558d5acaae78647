"""The proof of a move: what was moved, under which policy, and what that does not say.

It is JSON in ASCII, one field or one record a line. The signature is its last field, over all bytes before that
field. Contents and ids are in it as digests with a salt that is not: who has the salt can check them, and nobody
else can guess them.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from storescope.middleware._region._instants import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nacl.signing import SigningKey

    from storescope.call import BackendInfo
    from storescope.middleware._region._moving._journal import Entry, Moved

SCHEMA = "residency-move/1"
DIGESTS = "BLAKE2b-256, keyed with the salt"
SIGNATURES = "Ed25519"
BEFORE_SIGNATURE = ',\n  "signature": '
"""What stands between the signed bytes and the signature. No string of JSON holds a line break."""

NOT_COVERED = (
    "sandboxes and setups that the session names: they have pins of their own",
    "what the session's records refer to outside of the store: files, caches, the agent's own memory",
    "backups, snapshots, replicas and point-in-time recovery of the source store",
    "what the source store keeps until it cleans up: free pages, dead rows, write-ahead and append-only logs",
    "traces, metrics and log lines that were exported before",
    "audit logs, which keep their records of the session where they are",
    "the logs of workflow engines, which hold what durable steps returned",
    "the memory, core dumps and swap space of processes that used the session",
    "networks and hosts between the two stores while the records were copied",
    "where the stores really are: the proof says in which regions they were said to be, and how sure that was",
)

Ids = Literal["hashed", "clear"]


def naming(ids: Ids, salt: bytes) -> Callable[[str, str], str]:
    """Return what names a record, given its entity and id, in a proof."""
    return (lambda _, id_: id_) if ids == "clear" else lambda entity, id_: _hashed(entity, id_, salt)


def fields_of(moved: Moved, stores: Mapping[str, BackendInfo], ids: Ids) -> dict[str, Any]:
    """Return what a proof says, all but its signature.

    Args:
        moved: What was moved.
        stores: Region -> what is known of the store there.
        ids: Whether ids are in it as hashes or in clear.
    """
    name = naming(ids, moved.salt)
    return {
        "schema": SCHEMA,
        "tool": f"storescope {version('storescope')}",
        "move": moved.move,
        "ids": ids,
        "session": name("session", moved.session),
        "tenant": moved.tenant,
        "source": _store(moved.source, stores[moved.source]),
        "target": _store(moved.target, stores[moved.target]),
        "policy": {"version": moved.policy_version, "digest": moved.policy},
        "started": text_of(moved.started),
        "switched": text_of(moved.switched),
        "ended": text_of(moved.ended),
        "counts": counts_of(moved.rows),
        "left_at_source": moved.left,
        "digests": {"algorithm": DIGESTS, "salt_sha256": fingerprint(moved.salt)},
        "rows": [_row(entry, name) for entry in moved.rows],
        "late": [_row(entry, name) for entry in moved.late],
        "not_covered": list(NOT_COVERED),
    }


def sign(fields: Mapping[str, Any], key: SigningKey) -> str:
    """Return the text of a proof."""
    signed = render(fields).removesuffix("\n}\n")
    signature = {
        "algorithm": SIGNATURES,
        "key": base64.b64encode(bytes(key.verify_key)).decode(),
        "value": base64.b64encode(key.sign(signed.encode()).signature).decode(),
    }
    return render({**fields, "signature": signature})


def render(fields: Mapping[str, Any]) -> str:
    """Return the one text that says this."""
    lines = (f"  {json.dumps(name)}: {_rendered(value)}" for name, value in fields.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def counts_of(rows: list[Entry]) -> dict[str, int]:
    """Return how many records there are, for each entity."""
    counts = Counter(row.entity for row in rows)
    return {entity: counts[entity] for entity in ("session", "message", "part")}


def fingerprint(salt: bytes) -> str:
    """Return what a proof says of its salt."""
    return hashlib.sha256(salt).hexdigest()


def _rendered(value: Any) -> str:
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"    {json.dumps(each)}" for each in value) + "\n  ]"
    return json.dumps(value)


def _store(region: str, info: BackendInfo) -> dict[str, str]:
    return {"region": region, "system": info.system, "confidence": info.region_confidence}


def _row(entry: Entry, name: Callable[[str, str], str]) -> dict[str, str]:
    return {"entity": entry.entity, "id": name(entry.entity, entry.id), "digest": entry.digest}


def _hashed(entity: str, id_: str, salt: bytes) -> str:
    """Return the hash of an id: of its entity's own, and never the digest of a content."""
    return hashlib.blake2b(id_.encode(), key=salt, digest_size=32, person=entity.encode()).hexdigest()
