from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.local.fetch.parts import Recorder, ReleaseServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def reporter() -> Recorder:
    return Recorder()


@pytest.fixture
def serve() -> Iterator[Callable[..., ReleaseServer]]:
    """Start release servers that end with the test."""
    started: list[ReleaseServer] = []

    def start(content: bytes, **faults: object) -> ReleaseServer:
        started.append(ReleaseServer(content, **faults))  # type: ignore[arg-type] - the faults are ReleaseServer's own
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def nobody_listens() -> Iterator[str]:
    """A URL whose port is taken, so that nobody else gets it, and closed."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder that is all of PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    return folder


@pytest.fixture
def environ(tmp_path: Path, programs: Path) -> dict[str, str]:
    """An environment with nothing of the machine's in it."""
    home = tmp_path / "home"
    home.mkdir()
    return {"HOME": str(home), "PATH": str(programs)}
