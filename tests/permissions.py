"""What may not be read or written, for tests on POSIX: nothing is closed to the superuser."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

NOBODY = 65534


@contextlib.contextmanager
def closed(path: Path, mode: int = 0o555) -> Iterator[None]:
    """Give a file or folder these permissions meanwhile: those of a folder only to be read."""
    before = stat.S_IMODE(path.stat().st_mode)
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(before)


@contextlib.contextmanager
def ordinary_user(reaching: Path | None = None) -> Iterator[None]:
    """Be nobody meanwhile, if superuser. The folders on the way to a path are opened for it.

    They get back the permissions that they had: one of them may be everybody's, as /tmp is.
    """
    if os.geteuid() != 0:
        yield
        return
    with contextlib.ExitStack() as undo:
        for folder in reaching.absolute().parents if reaching else ():
            mode = stat.S_IMODE(folder.stat().st_mode)
            if mode & 0o555 != 0o555:
                undo.enter_context(closed(folder, mode | 0o555))
        undo.callback(os.seteuid, 0)
        os.seteuid(NOBODY)
        yield
