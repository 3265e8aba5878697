"""The machine's facts and the programs' versions, without which a figure means nothing.

Rules: read from /proc; what can't be read is ``unknown``, never guessed. No host's name, no path, no user.

Source of the formats: proc(5).
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vaultgate_ops.local.stack import Stack

_PACKAGES = ("boto3", "hvac", "aws-lambda-powertools", "aws-secretsmanager-caching", "moto", "aws-sam-cli", "PyMySQL")


def facts() -> dict[str, str | int | float]:
    """Of this machine, now."""
    return {
        "cpu": _first(r"model name\s*:\s*(.+)", "/proc/cpuinfo"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": int(_first(r"MemTotal:\s*(\d+)", "/proc/meminfo", "0")) // 1024,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": load(),
    }


def load() -> float:
    """How many processes wanted to run, on average over the last minute."""
    return round(os.getloadavg()[0], 2)


def commit(checkout: Path) -> str:
    """Of the sources, with ``-dirty`` where they are not what was committed; ``unknown`` where there is no git."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        # No tag matches nothing; a name of the commit alone is what is left.
        git = ["git", "-C", str(checkout), "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    return "unknown"


def versions(stack: Stack) -> dict[str, str]:
    """Of what was measured and of what it was measured with; a package that isn't there is left out."""
    found = {}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    with stack.vault.client("") as vault:
        found["vault"] = str(vault.sys.read_health_status(method="GET")["version"])
    with stack.database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        found["database"] = str((cursor.fetchone() or ("unknown",))[0])
    return found


def _first(pattern: str, path: str, otherwise: str = "unknown") -> str:
    with contextlib.suppress(OSError):
        found = re.search(pattern, Path(path).read_text(encoding="utf-8"))
        if found:
            return found[1].strip()
    return otherwise
