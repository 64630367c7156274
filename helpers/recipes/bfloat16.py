"""Whether this processor computes with 16-bit numbers fast. Introduced in lesson 6."""

from __future__ import annotations

import os
from pathlib import Path

from helpers.basics.errors import UsageError

BFLOAT16_VARIABLE = "COURSE_BFLOAT16"  # yes or no: decides in place of the processor


def has_fast_bfloat16() -> bool:
    """Whether this processor computes with 16-bit numbers (bfloat16) faster than with 32-bit ones.

    Known for Linux only, from what the kernel says about the processor: AVX512_BF16 or AMX.
    Elsewhere, and on older processors, the same numbers take longer. The environment variable
    COURSE_BFLOAT16, set to "yes" or "no", decides for every processor, for example to compute
    as another computer does.

    Raises:
        UsageError: the variable says something else.

    Introduced in lesson 6.
    """
    if wish := os.environ.get(BFLOAT16_VARIABLE):
        if wish not in ("yes", "no"):
            raise UsageError(f"Expected yes or no in {BFLOAT16_VARIABLE}. Received: {wish}.")
        return wish == "yes"
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
