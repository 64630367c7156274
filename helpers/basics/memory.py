"""How much memory and how many cores this process may use, before something asks for too much.

Linux puts processes into groups (cgroups), with limits of their own: containers, the jobs of a
cluster, systemd's services. A group lies in a folder of the system, in its second version or its
first, and what holds for a group holds for all groups inside it.
Source: https://docs.kernel.org/admin-guide/cgroup-v2.html and .../cgroup-v1/
"""

from __future__ import annotations

import contextlib
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

GROUPS, MOUNTS = Path("/proc/self/cgroup"), Path("/proc/self/mountinfo")
STATUS = Path("/proc/self/status")
# The limit, what is used of it, and which part of that are copies of files, which the system
# gives back when asked. "memsw": memory and swap together.
LIMITS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.high", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ("memory.memsw.limit_in_bytes", "memory.memsw.usage_in_bytes", "total_inactive_file"),
)
QUOTAS = (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us"))


def available_memory() -> int:
    """Bytes of memory that can still be taken without disturbing anything else.

    The least of what the machine has free, what its container, its job on a cluster and every
    group around them may take, and what the process is allowed.
    """
    import psutil

    limits = [psutil.virtual_memory().available, _left_to_process()]
    limits += [_left(group, *names) for group in _groups("memory") for names in LIMITS]
    return max(min(limit for limit in limits if limit is not None), 0)


def peak_memory() -> int:
    """Bytes of memory that this process had at most, by now.

    Introduced in lesson 8.
    """
    import psutil

    info = psutil.Process().memory_info()
    if hasattr(info, "peak_wset"):  # Windows
        return info.peak_wset
    # On Linux. What getrusage says begins with the memory of the process that started this one.
    with contextlib.suppress(OSError):
        if most := re.search(r"^VmHWM:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE):
            return 1024 * int(most[1])
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def usable_cores() -> int:
    """How many processor cores this process may use, at least one.

    The least of those that the machine has, those given to the process, and the processor
    time that its container and every group around it may take, rounded up.
    """
    from loky import cpu_count  # it knows the first two, and no group inside another

    quotas = [_quota(group, names) for group in _groups("cpu") for names in QUOTAS]
    return min([cpu_count(), *filter(None, quotas)])


def _groups(kind: str) -> Iterator[Path]:
    """The folders of this process' groups that may limit `kind`, the innermost first."""
    try:
        lines = [line.split(":", 2) for line in GROUPS.read_text().splitlines()]
        named = {name: group for _, names, group in lines for name in names.split(",")}
        mounts = [line.split() for line in MOUNTS.read_text().splitlines() if " - " in line]
    except (OSError, ValueError):  # not Linux
        return
    for mount in mounts:
        root, place = mount[3], mount[4].replace("\\040", " ")
        system, options = mount[mount.index("-") + 1], mount[-1].split(",")
        if system == "cgroup2":
            group = named.get("", "/")
        elif system == "cgroup" and kind in options:
            group = named.get(kind, "/")
        else:
            continue
        # Inside a container the folder that is seen may be the container's own already.
        inside = PurePosixPath(group)
        inner = inside.relative_to(root) if inside.is_relative_to(root) else PurePosixPath()
        folder = Path(place, "" if ".." in inner.parts else inner)
        yield folder
        yield from (outer for outer in folder.parents if outer.is_relative_to(place))


def _numbers(path: Path) -> list[int] | None:
    """What a file of a group says; None where it is not there, or says something else."""
    try:
        return [int(word) for word in path.read_text().split()]
    except (OSError, ValueError):  # "max": no limit
        return None


def _left(group: Path, most: str, used: str, copies: str) -> int | None:
    limit, taken = _numbers(group / most), _numbers(group / used)
    if not limit or not taken:
        return None
    try:
        words = (group / "memory.stat").read_text().split()
        given_back = int(dict(zip(words[::2], words[1::2], strict=False)).get(copies, 0))
    except (OSError, ValueError):
        given_back = 0
    return limit[0] - taken[0] + given_back


def _quota(group: Path, names: tuple[str, ...]) -> int | None:
    """In cores: the time that may be taken in a period, divided by the period."""
    numbers = [number for name in names for number in _numbers(group / name) or ()]
    if len(numbers) != 2 or min(numbers) <= 0:  # -1: no limit
        return None
    return math.ceil(numbers[0] / numbers[1])


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
