"""A container engine as far as Vaultgate looks at one before it starts anything: version, images, volumes, containers.

Source of the formats: https://docs.docker.com/reference/api/engine/version/v1.41/. Whatever would change something is
answered with 403 and noted in ``changed``.
"""

from __future__ import annotations

import json
import socketserver
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class ContainerEngine:
    """What it is and has; tests change it as they like.

    Attributes:
        api, version: as ``GET /version`` tells them.
        images: names that are there.
        registry: names that can be pulled; anything else can't.
        volumes: name to labels.
        pulled: names that were pulled, in order.
        changed: requests that would have changed something else.
    """

    api: str = "1.41"
    version: str = "20.10.24"
    images: set[str] = field(default_factory=set)
    registry: set[str] = field(default_factory=set)
    volumes: dict[str, dict[str, str]] = field(default_factory=dict)
    pulled: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    @contextmanager
    def listening(self, folder: Path) -> Iterator[str]:
        """Serve on a socket in a folder; gives the address for DOCKER_HOST."""
        path = folder / "engine.sock"

        class Handler(_Handler):
            engine = self

        with _Server(str(path), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield f"unix://{path}"
            finally:
                server.shutdown()
                thread.join()


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    engine: ContainerEngine

    def do_GET(self) -> None:
        path = self._path()
        if path == "/version":
            self._answer(200, {"ApiVersion": self.engine.api, "MinAPIVersion": "1.12", "Version": self.engine.version})
        elif path == "/containers/json":
            self._answer(200, [])
        elif path == "/volumes":
            wanted = json.loads(self._query()["filters"][0])["label"][0]
            found = [
                {"Name": name, "Labels": labels}
                for name, labels in self.engine.volumes.items()
                if wanted in [f"{key}={value}" for key, value in labels.items()]
            ]
            self._answer(200, {"Volumes": found})
        elif path.startswith("/images/") and path.endswith("/json"):
            name = unquote(path.removeprefix("/images/").removesuffix("/json"))
            there = name in self.engine.images
            self._answer(200 if there else 404, {"Id": name} if there else {"message": f"No such image: {name}"})
        else:
            self._answer(404, {"message": f"page not found: {path}"})

    def do_POST(self) -> None:
        if self._path() != "/images/create":
            self.engine.changed.append(self._path())
            self._answer(403, {"message": "only looked at"})
            return
        query = self._query()
        name = f"{query['fromImage'][0]}:{query['tag'][0]}"
        if name not in self.engine.registry:
            self._answer(404, {"message": f"manifest for {name} not found: manifest unknown: the words go on."})
            return
        self.engine.images.add(name)
        self.engine.pulled.append(name)
        self._answer(200, {"status": f"Pulling {name}"})

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass

    def _path(self) -> str:
        path = urlsplit(self.path).path
        return "/" + path.split("/", 2)[2] if path.startswith("/v1.") else path

    def _query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query)

    def _answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
