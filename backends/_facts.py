"""Where a backend's data rests, from all that is said of it: `region=`, an AWS name, the marker in the store.

Sources that agree make a fact as good as the best of them. Sources that do not make a conflict, and a region
guard denies: nobody can tell from here which of them is wrong.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from storescope import BackendError
from storescope.backends._aws import aws_regions
from storescope.backends._identity import Marker

if TYPE_CHECKING:
    from storescope import BackendInfo
    from storescope.backends._tables import MarkerStore


class RegionFact(NamedTuple):
    """A region and how well it is known; in a conflict, the region that is the least guess.

    Attributes:
        region: `aws:eu-west-1`; None if nobody said.
        confidence: `declared`, `probed` or `conflict`.
    """

    region: str | None
    confidence: str


async def find_region(declared: str | None, info: BackendInfo, store: MarkerStore, *, probe: bool) -> RegionFact:
    """Return where an open backend's data rests. A conflict is logged, with what disagrees.

    Args:
        declared: What `region=` says.
        info: The backend; its address may be an AWS name.
        store: The backend's marker.
        probe: Whether the marker is to be read.

    Raises:
        BackendError: If the marker is to be read, and there is none or it cannot be read.
    """
    said = {"region=": declared} if declared else {}
    named = aws_regions(info.address)
    if info.region:  # what serves it over HTTP says where it stores
        said["its server"] = info.region
    said |= {f"its address ({region})": region for region in named if region}
    disputes = ["its server sees a conflict already"] if info.region_confidence == "conflict" else []
    if probe:
        marker, difference = await _probe(store)
        said["its residency marker"] = marker.region
        disputes += [f"its residency marker {difference}"] if difference else []
    regions = list(dict.fromkeys(said.values()))
    if len(regions) > 1:
        disputes.append(", ".join(f"{source} says {region}" for source, region in said.items()))
    if disputes:
        _warn(info, disputes)
        return RegionFact(regions[0] if regions else None, "conflict")
    if not regions:
        return RegionFact(None, "declared")
    return RegionFact(regions[0], "probed" if probe or all(named) else "declared")


async def _probe(store: MarkerStore) -> tuple[Marker, str]:
    """Return the marker, and in words how the place that it was written for differs from this one."""
    here = await store.identify()
    text = await store.read()
    if text is None:
        raise BackendError(
            f"{here.place} holds no residency marker; "
            "write one with: storescope residency mark URL --region REGION"
        )
    marker = Marker.from_text(text)
    return marker, marker.identity.difference(here)


def _warn(info: BackendInfo, disputes: list[str]) -> None:
    where = f"{info.label} at {info.address}" if info.address else f"{info.label} {info.namespace}"
    logging.getLogger("storescope").warning(
        "%s: the region of its data is in conflict, and a region guard denies every call: %s",
        where,
        "; ".join(disputes),
    )
