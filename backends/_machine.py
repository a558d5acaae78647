"""What tells this machine from others, for places whose names mean something on it alone.

What is promised: two machines never have the same id, but for a virtual machine that was copied with its
`/etc/machine-id` outside of EC2. It is, in this order:

1. EC2's id of the instance, which an image started elsewhere does not take along.
2. `/etc/machine-id`. Not in a container whose image brought it: every container of that image has the same one.
   Mount the host's (`-v /etc/machine-id:/etc/machine-id:ro`), which is recognised.
3. The id of the running kernel's boot. It changes when the machine is started anew, and a marker has to be
   written again then; names and network addresses would last longer, but containers elsewhere have the same.

The id is a digest: a machine's id is not for strangers.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from hashlib import sha256
from pathlib import Path

from storescope import BackendError

_INSTANCE = Path("/sys/class/dmi/id/board_asset_tag")
_INSTALLED = Path("/etc/machine-id")
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_IN_CONTAINER = (Path("/.dockerenv"), Path("/run/.containerenv"))  # Docker, Podman
_NAMES = {"localhost", "localhost.localdomain", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback"}


def machine_id() -> str:
    """Return the id of this machine: 16 hex digits.

    Raises:
        BackendError: If there is nothing to tell it by.
    """
    found = _instance() or _installed() or _read(_BOOT)
    if not found:
        raise BackendError(
            "nothing tells this machine from others, so a residency marker cannot be bound to it; "
            "give it an /etc/machine-id (in a container: mount the host's), or dial a host on another machine"
        )
    return sha256(b"storescope residency marker\n" + found.encode()).hexdigest()[:16]


def is_here(host: str) -> bool:
    """Return whether a host is this machine whichever machine one asks: loopback, or a Unix socket's path."""
    if host.startswith(("/", "@")) or host in _NAMES or host.endswith(".localhost"):
        return True
    try:  # what the system takes for an address: `127.1` too
        address = ipaddress.ip_address(socket.inet_aton(host)) if ":" not in host else _ipv6(host)
    except (OSError, ValueError):
        return False
    return address.is_loopback or address.is_unspecified


def _ipv6(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.IPv6Address(host)
    return address.ipv4_mapped or address


def _instance() -> str:
    tag = _read(_INSTANCE)
    return tag if re.fullmatch("i-[0-9a-f]{8,32}", tag) else ""


def _installed() -> str:
    text = _read(_INSTALLED)
    if not re.fullmatch("[0-9a-f]{32}", text) or not text.strip("0"):  # `uninitialized`, for one
        return ""
    return "" if _is_container() and not _is_mounted(_INSTALLED) else text


def _is_container() -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ or any(path.exists() for path in _IN_CONTAINER)


def _is_mounted(path: Path) -> bool:
    return path.stat().st_dev != path.parent.stat().st_dev


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
