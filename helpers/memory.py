"""How much memory this process may still take, before something asks for too much of it."""

from __future__ import annotations

from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Bytes of memory that can still be taken without disturbing anything else.

    The least of what the machine has free, what its container may take (as on a JupyterHub),
    and what the process is allowed.
    """
    import psutil

    limits = [psutil.virtual_memory().available, _left_in_container(), _left_to_process()]
    return max(min(limit for limit in limits if limit is not None), 0)


def _left_in_container() -> int | None:
    try:
        most = (CGROUP / "memory.max").read_text().strip()
        used = int((CGROUP / "memory.current").read_text())
        statistics = (CGROUP / "memory.stat").read_text().split()
    except (OSError, ValueError):
        return None
    if not most.isdigit():  # "max": no limit
        return None
    # Copies of files, which the system gives back when asked.
    named = dict(zip(statistics[::2], statistics[1::2], strict=False))
    return int(most) - used + int(named.get("inactive_file", 0))


def _left_to_process() -> int | None:
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    import psutil

    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most == resource.RLIM_INFINITY:
        return None
    return most - psutil.Process().memory_info().vms
