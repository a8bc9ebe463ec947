"""HiGHS, the solver inside scipy, kept from writing on our standard output."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def chatter_to_stderr() -> Iterator[None]:
    """Send what native code prints to standard error meanwhile.

    HiGHS 1.12 prints a line of its own on rare occasions, whatever its options say; one line would spoil the one JSON
    object a command answers with. The C library keeps a buffer of its own, which is emptied before the way back.
    """
    libc = ctypes.CDLL(None)
    sys.stdout.flush()
    libc.fflush(None)
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        libc.fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
