"""One file over HTTP, by its pinned SHA-256.

Rules: a server that can't be reached is known within seconds, name resolution included; a file is whole and of the
right hash, or it is deleted; a proxy named in the environment is used.
"""

from __future__ import annotations

import hashlib
import http.client
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from vaultgate_ops.errors import CheckFailed, Unreachable
from vaultgate_ops.local import disk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from vaultgate_ops.reporting import Reporter

_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True)
class Patience:
    """How long a server may take.

    Args:
        answer_s: until its answer begins: name resolution, connection, TLS and headers together.
        stall_s: between two pieces of the file.
    """

    answer_s: float = 5.0
    stall_s: float = 15.0


def download(
    url: str,
    target: Path,
    *,
    sha256: str,
    title: str,
    environ: Mapping[str, str],
    reporter: Reporter,
    patience: Patience = Patience(),
) -> None:
    """Fetch ``url`` into the new file ``target``.

    Args:
        url: http or https.
        target: deleted again if anything goes wrong.
        sha256: the file's pinned hash, in hexadecimal.
        title: what the reporter's task is called.
        environ: for ``https_proxy``, ``http_proxy`` and ``no_proxy``.
        reporter: sees the bytes come in.
        patience: the time limits.

    Raises:
        Unreachable: no server, no such file, or the connection ended in the middle.
        CheckFailed: the file is whole and not the one that was pinned.
        Missing: no room for it.
    """
    try:
        with disk.explained(target.parent, title):
            found = _receive(url, target, title=title, environ=environ, reporter=reporter, patience=patience)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    if found != sha256:
        target.unlink()
        raise CheckFailed(
            f"{url} is not the file that was pinned (SHA-256 {found}, not {sha256}); it was thrown away.",
            "Find out who changes it on the way (a proxy's login page does, too), or bring your own binary.",
        )


def _receive(url: str, target: Path, *, title: str, environ: Mapping[str, str], reporter: Reporter, patience: Patience) -> str:
    digest = hashlib.sha256()
    with _open(url, environ, patience) as response, target.open("xb") as file:
        expected = int(response.headers.get("Content-Length") or 0)
        received = 0
        with reporter.task(title, total=expected or None) as task:
            while chunk := _read(response, url):
                digest.update(chunk)
                file.write(chunk)
                received += len(chunk)
                task.advance(len(chunk))
        if received < expected:
            raise Unreachable(
                f"{url} ended after {disk.size(received)} of {disk.size(expected)}.", "Try again, or check the network."
            )
    return digest.hexdigest()


def _read(response: http.client.HTTPResponse, url: str) -> bytes:
    try:
        return response.read(_CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{url} stopped in the middle ({_reason(error)}).", "Try again, or check the network.") from error


def _open(url: str, environ: Mapping[str, str], patience: Patience) -> http.client.HTTPResponse:
    """Ask for ``url`` and wait until the answer's headers are there.

    The asking happens in a thread because no time-out of a socket covers name resolution, which may hang for long on a
    machine without a network.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(_proxies(url, environ)))
    answers: SimpleQueue[http.client.HTTPResponse | Exception] = SimpleQueue()
    given_up = threading.Event()

    def ask() -> None:
        try:
            response = cast("http.client.HTTPResponse", opener.open(url, timeout=patience.stall_s))
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits
            answers.put(error)
            return
        answers.put(response)
        if given_up.is_set():
            response.close()

    threading.Thread(target=ask, name="download", daemon=True).start()
    try:
        answer = answers.get(timeout=patience.answer_s)
    except Empty:
        given_up.set()
        raise Unreachable(
            f"{url} gave no answer within {patience.answer_s:g} s.", "Check the network and its proxy settings."
        ) from None
    if isinstance(answer, http.client.HTTPResponse):
        return answer
    if isinstance(answer, urllib.error.HTTPError):
        answer.close()
        raise Unreachable(f"{url} answered {answer.code} {answer.reason}.", "Check the network and its proxy settings.")
    if isinstance(answer, (OSError, http.client.HTTPException)):
        raise Unreachable(f"{url} can't be reached ({_reason(answer)}).", "Check the network and its proxy settings.")
    raise answer


def _proxies(url: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The proxy for ``url`` as ProxyHandler wants it; empty where none is named or ``no_proxy`` covers the host."""
    asked = urlsplit(url)
    proxy = environ.get(f"{asked.scheme}_proxy") or environ.get(f"{asked.scheme.upper()}_PROXY")
    exempt = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if not proxy or urllib.request.proxy_bypass(asked.hostname or "", {"no": exempt}):
        return {}
    return {asked.scheme: proxy}


def _reason(error: Exception) -> str:
    """What the operating system says, without the layers that urllib puts around it."""
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    return (inner.strerror if isinstance(inner, OSError) else None) or str(inner) or type(inner).__name__
