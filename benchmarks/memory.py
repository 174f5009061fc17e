"""Peak memory of a piece of work, from the kernel's own count of this process's pages."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

STATUS = Path("/proc/self/status")


def _kilobytes(entry: str) -> int:
    for line in STATUS.read_text().splitlines():
        if line.startswith(entry):
            return int(line.split()[1])
    msg = f"{STATUS} has no {entry}"
    raise OSError(msg)


class Peak:
    """Memory that a ``with`` block needs beyond what the process held before it.

    Attributes
    ----------
    bytes : int or None
        None where the system keeps no such count (not Linux).
    """

    bytes: int | None = None

    def __enter__(self) -> Peak:
        """Hand freed memory back to the system, and start the high-water mark anew."""
        self.before: int | None = None
        if not STATUS.exists():
            return self
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        self.before = _kilobytes("VmRSS")
        return self

    def __exit__(self, *_: object) -> None:
        """Read the high-water mark."""
        if self.before is not None:
            self.bytes = 1024 * max(0, _kilobytes("VmHWM") - self.before)
