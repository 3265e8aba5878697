"""Fetch Vault in a process of its own, which tests interrupt, kill, or put on a small disk.

Usage: process.py CACHE ARCHIVE_URL SHA256 [ARCHIVE_BYTES]; the environment is the process's own.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from vaultgate_ops.errors import OpsError
from vaultgate_ops.local.fetch.go import Space
from vaultgate_ops.local.fetch.vault import Bounds, Release, find_vault
from vaultgate_ops.reporting import Silent

if __name__ == "__main__":
    # A test run in the background starts its processes with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    cache, archive, sha256 = sys.argv[1:4]
    bounds = Bounds(archive_bytes=int(sys.argv[4]) if sys.argv[4:] else 1, build=Space(modules=1, objects=1, work=1))
    release = Release(archive=archive, sha256={"amd64": sha256})
    try:
        find_vault(os.environ, Silent(), cache=Path(cache), release=release, bounds=bounds, machine="x86_64")
    except OpsError as error:
        sys.stderr.write(error.message)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
