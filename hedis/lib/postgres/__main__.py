"""The watchdog of `temporary`: waits until its parent closes the pipe or dies, then removes the server."""

import sys
from pathlib import Path

from . import remove_temporary

sys.stdin.read()
remove_temporary(Path(sys.argv[1]))
