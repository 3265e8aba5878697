"""The machine's facts, a process's costs, and half a core of it.

Rules: everything is read from /proc and /sys; what can't be read is named ``unknown``, never guessed.

Sources: proc(5); cgroups(7); Linux ``Documentation/admin-guide/cgroup-v2.rst`` (cpu.max) and
``Documentation/scheduler/sched-bwc.rst`` (cpu.cfs_quota_us).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from time import clock_gettime  # noqa: TID251 - another process's CPU clock can be read by nothing else
from typing import TYPE_CHECKING, Any

from vaultgate_ops.errors import Missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_PERIOD_US = 20_000  # of Lambda's own CPU quota, by what its users have measured
_CPUCLOCK_SCHED = 2  # <linux/posix-timers_types.h>; what clock_getcpuclockid(3) computes
_CGROUPS = Path("/sys/fs/cgroup")


def facts(checkout: Path) -> dict[str, Any]:
    """What a figure means nothing without."""
    return {
        "cpu": _first(r"model name\s*:\s*(.+)", _text("/proc/cpuinfo")),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": int(_first(r"MemTotal:\s*(\d+)", _text("/proc/meminfo"), "0")) // 1024,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "commit": _commit(checkout),
        "load_before": round(os.getloadavg()[0], 2),
    }


def load() -> float:
    """How many processes wanted to run, on average over the last minute."""
    return round(os.getloadavg()[0], 2)


def cpu_ms(pid: int) -> float:
    """CPU time of a process and all its threads, those that ended too, in ms.

    It is utime + stime of ``/proc/PID/stat``, from the same account, in nanoseconds instead of hundredths of a second.
    """
    return clock_gettime((~pid << 3) | _CPUCLOCK_SCHED) * 1000


def peak_rss_mb(pid: int) -> float:
    """The most memory a process had resident, in MB of 1,000,000 bytes."""
    return int(_first(r"VmHWM:\s*(\d+)", _text(f"/proc/{pid}/status"), "0")) * 1024 / 1e6


def words(pid: int) -> list[bytes]:
    """Program and arguments of a process; none of one that is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return []


@contextlib.contextmanager
def half_core() -> Iterator[Callable[[Iterable[int]], None]]:
    """A control group that gets half a core; gives the function that puts processes in it, with all their later children.

    Raises:
        Missing: this machine doesn't let us have one; the message says why.
    """
    with contextlib.ExitStack() as undo:
        try:
            group = _group(undo)
        except OSError as error:
            raise Missing(f"no control group can be made here ({error.filename}: {error.strerror})") from error

        def adopt(pids: Iterable[int]) -> None:
            for pid in pids:
                (group / "cgroup.procs").write_text(str(pid))

        yield adopt


@contextlib.contextmanager
def awake() -> Iterator[list[int]]:
    """Keep every core busy with work that gives way to all other, so that none halts; gives the processes' ids.

    Waking a halted core of a virtual machine takes tens of microseconds, of the hypervisor's: a request over loopback pays that
    twice. With the cores awake two machines' loopback times can be compared at all.
    """
    spin = "import os\nos.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"
    spinning = [subprocess.Popen([sys.executable, "-I", "-S", "-c", spin]) for _ in os.sched_getaffinity(0)]
    try:
        yield [process.pid for process in spinning]
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def _group(undo: contextlib.ExitStack) -> Path:
    """Make a group with a quota; version 2 of control groups if its CPU controller is on, else version 1."""
    name = f"vaultgate-bench-{os.getpid()}"
    quota_us = _PERIOD_US // 2
    if "cpu" in _text(_CGROUPS / "cgroup.subtree_control").split():
        settings = {"cpu.max": f"{quota_us} {_PERIOD_US}"}
        group = _CGROUPS / name
    elif (_CGROUPS / "cpu" / "cpu.cfs_quota_us").parent.is_dir():
        settings = {"cpu.cfs_period_us": str(_PERIOD_US), "cpu.cfs_quota_us": str(quota_us)}
        group = _CGROUPS / "cpu" / name
    else:
        raise Missing(f"the CPU controller is not on in {_CGROUPS}")
    group.mkdir()
    # The kernel refuses while a process is in it; the sandboxes are gone by then.
    undo.callback(group.rmdir)
    for setting, value in settings.items():
        (group / setting).write_text(value)
    return group


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


def _first(pattern: str, text: str, otherwise: str = "unknown") -> str:
    found = re.search(pattern, text)
    return found[1].strip() if found else otherwise


def _commit(checkout: Path) -> str:
    """The commit, with ``+changes`` where ``extension/`` differs from it."""
    git = ["git", "-C", str(checkout)]
    try:
        commit = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True).stdout
        changed = subprocess.run([*git, "status", "--porcelain", "extension"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.strip() + ("+changes" if changed.strip() else "")
