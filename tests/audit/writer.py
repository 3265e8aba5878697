"""A file audit device as Vault is one, with its bad days, and the rotations around it; remembers what it wrote.

Rules: it appends to the file that it opened until it is told to reopen, whatever that is called by then. A full disk leaves the
beginning of an entry behind, and the next entry follows it on the same line. Only what it has left is compressed.

Source: audit/backend_file.go and audit/sink_file.go of Vault 1.21.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import shutil
from collections import Counter
from typing import TYPE_CHECKING

from vaultgate_ops.clock import Clock

if TYPE_CHECKING:
    from pathlib import Path


def entry(number: int, extra: str = "", *, clock: Clock | None = None) -> bytes:
    """One of Vault's entries, without its newline; its keys stand in Vault's order."""
    time = dt.datetime.fromtimestamp((clock or Clock()).wall(), dt.UTC).isoformat().replace("+00:00", "Z")
    request = {"id": f"{number:012d}", "operation": "read", "path": "secret/data/records", "headers": {"user-agent": [extra]}}
    token = "hmac-sha256:4ad654b6f5dd3ae94da0dc67160a48c00ce304c0b134af52a2a0ae94e3a453d1"
    whole = {"auth": {"client_token": token, "policies": ["root"]}, "request": request, "time": time, "type": "request"}
    return json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode()


class Device:
    """One file device.

    Args:
        path: its file; opened at once.

    Attributes:
        written: every entry and every fragment, how often.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written: Counter[bytes] = Counter()
        self._number = 0
        self._file = self._open()
        self._fragment = b""

    def write(self, line: bytes | None = None, *, extra: str = "") -> bytes:
        """Append an entry, or any line."""
        self._number += 1
        if line is None:
            line = entry(self._number, extra)
            self._settle_fragment()
        os.write(self._file, line + b"\n")
        # What is glued to a fragment and is no entry can't be told from it.
        self.written[self._fragment + line] += 1
        self._fragment = b""
        return line

    def fill_the_disk(self, share: float) -> None:
        """Write the beginning of an entry, and fail."""
        self._number += 1
        line = entry(self._number)
        self._fragment += line[: max(1, int(len(line) * share))]
        os.write(self._file, line[: max(1, int(len(line) * share))])

    def rename(self, *, create: bool = False) -> None:
        """What logrotate does before it signals Vault: shift the numbers, move the file, leave an empty one in its place."""
        numbered = sorted(
            (path for path in self.path.parent.glob(f"{self.path.name}.*") if path.name.split(".")[2].isdigit()),
            key=lambda path: -int(path.name.split(".")[2]),
        )
        for path in numbered:
            parts = path.name.split(".")
            parts[2] = str(int(parts[2]) + 1)
            path.rename(path.with_name(".".join(parts)))
        if self.path.exists():
            self.path.rename(self.path.with_name(f"{self.path.name}.1"))
        if create:
            self.path.touch(mode=0o600)

    def reopen(self) -> None:
        """SIGHUP."""
        os.close(self._file)
        self._settle_fragment()
        self._file = self._open()

    def compress(self) -> None:
        """Compress every rotated file that is left, as logrotate does: the time of the last write stays."""
        own = os.fstat(self._file)
        for path in self.path.parent.glob(f"{self.path.name}.*"):
            status = path.stat()
            if path.suffix == ".gz" or status.st_ino == own.st_ino:
                continue
            packed = path.with_name(f"{path.name}.gz")
            with path.open("rb") as plain, gzip.open(packed, "wb", compresslevel=1) as squeezed:
                shutil.copyfileobj(plain, squeezed)
            os.utime(packed, ns=(status.st_atime_ns, status.st_mtime_ns))
            path.unlink()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _settle_fragment(self) -> None:
        if self._fragment:
            self.written[self._fragment] += 1
            self._fragment = b""
