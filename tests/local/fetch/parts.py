"""What the tests of fetching are made of: a reporter that remembers, programs as shell scripts, a release server."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# A deadline for what should happen at once.
DEADLINE_S = 30


@dataclass
class ToldTask:
    """A task as it was told."""

    title: str
    total: float | None
    done: float = 0
    described: list[str] = field(default_factory=list)
    open: bool = True

    def advance(self, amount: float = 1) -> None:
        """Add."""
        self.done += amount

    def describe(self, text: str) -> None:
        """Note."""
        self.described.append(text)


class Recorder:
    """A reporter that remembers; ``opened`` calls back when a task begins."""

    def __init__(self, opened: Callable[[str], None] = lambda _: None) -> None:
        self.said: list[str] = []
        self.tasks: list[ToldTask] = []
        self._opened = opened

    @contextmanager
    def task(self, title: str, *, total: float | None = None) -> Iterator[ToldTask]:
        """Remember a task."""
        told = ToldTask(title, total)
        self.tasks.append(told)
        self._opened(title)
        try:
            yield told
        finally:
            told.open = False

    def say(self, text: str) -> None:
        """Remember a sentence."""
        self.said.append(text)

    def find(self, title: str) -> ToldTask:
        """The one task whose title begins so."""
        (found,) = [task for task in self.tasks if task.title.startswith(title)]
        return found


def program(path: Path, text: str) -> Path:
    """Write an executable shell script; the system's tools are on its PATH, whatever the caller's is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def vault_text(version: str, name: str = "Vault") -> str:
    """The text of a program that says which version of Vault it is."""
    return f"echo '{name} v{version} (0123abc), built 2025-11-18T13:04:32Z'"


def vault_archive(version: str = "1.21.1", padding: bytes = b"") -> bytes:
    """A release archive as HashiCorp packs it, with a script in place of Vault."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("LICENSE.txt", padding)
        archive.writestr("vault", f"#!/bin/sh\n{vault_text(version)}\n")
    return packed.getvalue()


def sha256(content: bytes) -> str:
    """In hexadecimal."""
    return hashlib.sha256(content).hexdigest()


class ReleaseServer:
    """A server of release archives on loopback, with the faults that such servers have.

    Args:
        content: what every path answers with.
        status: the answer's status.
        cut: end the connection after so many bytes of the content.
        hang: "before" the headers or in the "middle" of the content: until ``release`` is called.
    """

    def __init__(self, content: bytes, *, status: int = 200, cut: int | None = None, hang: str = "") -> None:
        self.content, self.status, self.cut, self.hang = content, status, cut, hang
        self.asked: list[str] = []
        self.arrived = threading.Event()
        self._released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                if server.hang == "before":
                    server.arrived.set()
                    server._released.wait(DEADLINE_S)
                    return
                self.send_response(server.status)
                self.send_header("Content-Length", str(len(server.content)))
                self.end_headers()
                half = len(server.content) // 2
                self.wfile.write(server.content[:half] if server.cut is None else server.content[: server.cut])
                self.wfile.flush()
                server.arrived.set()
                if server.hang == "middle":
                    server._released.wait(DEADLINE_S)
                if server.cut is None:
                    self.wfile.write(server.content[half:])

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def release(self) -> None:
        """Let every answer that hangs go on."""
        self._released.set()

    def close(self) -> None:
        """End it and every answer under way."""
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


# A module with two requirements, one of them replaced and written with a capital letter, and three packages.
_MODULE = (
    '{"Go": "1.25.3", "Require": ['
    '{"Path": "example.com/vault", "Version": "v1.21.1"}, {"Path": "example.com/old", "Version": "v1.0.0"}],'
    ' "Replace": [{"Old": {"Path": "example.com/old"}, "New": {"Path": "example.com/New", "Version": "v1.2.3"}}]}'
)


def go(path: Path, *, version: str = "go1.26.8", download: str = "", build: str = "", makes: str = "1.21.1") -> Path:
    """Write a program that stands for Go; it appends each of its command lines and settings to ``$HOME/go.log``.

    Args:
        path: the program.
        version: what it says of itself.
        download: shell commands instead of a download that goes well.
        build: shell commands before a build that goes well.
        makes: the version of the Vault that it builds.
    """
    fetched = "\n".join(
        f'echo "# get https://proxy.example/{module}.zip"; echo "# get https://proxy.example/{module}.zip: 200 OK (0.1s)"'
        for module in ("example.com/vault/@v/v1.21.1", "example.com/!new/@v/v1.2.3")
    )
    return program(
        path,
        f"""
echo "$* GOFLAGS=$GOFLAGS CGO_ENABLED=$CGO_ENABLED GOARCH=$GOARCH GOPROXY=$GOPROXY GOTOOLCHAIN=$GOTOOLCHAIN" >>"$HOME/go.log"
case "$1 $2" in
"env GOVERSION") echo {version} ;;
"env -json")
    printf '{{"GOMODCACHE": "%s", "GOCACHE": "%s"}}' "${{GOMODCACHE:-$HOME/go/pkg/mod}}" "${{GOCACHE:-$HOME/objects}}" ;;
"mod edit") echo '{_MODULE}' ;;
"mod download")
    mkdir -p "${{GOMODCACHE:-$HOME/go/pkg/mod}}"
    touch "${{GOMODCACHE:-$HOME/go/pkg/mod}}/something"
    {download or fetched} ;;
"list -deps") printf 'runtime\\nexample.com/vault/command\\nvaultgate.local/vault\\n' ;;
"build -v")
    {build or ":"}
    while [ "$1" != -o ]; do shift; done
    printf 'runtime\\nexample.com/vault/command\\nvaultgate.local/vault\\n'
    echo objects >"$GOTMPDIR/object"
    printf '#!/bin/sh\\n%s\\n' "{vault_text(makes)}" >"$2" ;;
*) exit 2 ;;
esac""",
    )
