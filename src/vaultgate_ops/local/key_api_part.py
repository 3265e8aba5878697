"""The small API with keys as a part of a stack: a process of its own, over TLS by an authority of its own."""

from __future__ import annotations

import http.client
import json
import ssl
import sys
from typing import TYPE_CHECKING

from vaultgate_ops.local import processes
from vaultgate_ops.local.certificates import Authority
from vaultgate_ops.local.key_api import FIRST_KEY, HOST
from vaultgate_ops.local.part import Part

if TYPE_CHECKING:
    from pathlib import Path

_ANSWER_S = 5
_UNAUTHORIZED = 401


class KeyApiPart(Part):
    """One API of a stack. Its keys live in memory and end with it."""

    name = "key-api"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://{HOST}:{self.port}"

    @property
    def ca_file(self) -> Path:
        """PEM bundle that vouches for it."""
        return self._folder / "ca.pem"

    @property
    def first(self) -> dict[str, str]:
        """The key that is there from the beginning: `key` and `key_id`."""
        stored: dict[str, str] = json.loads((self._folder / FIRST_KEY).read_text(encoding="ascii"))
        return stored

    def create(self) -> None:
        """Start it on a free port.

        Raises:
            Unreachable: it did not come up; the message quotes its log.
        """
        self._folder.mkdir(mode=0o700)
        Authority.create(self._folder).issue(self.name, [HOST])

        def attempt(port: int) -> None:
            self.port = port
            self._launch([sys.executable, "-m", "vaultgate_ops.local.key_api", "--port", str(port), "--folder", self._folder])

        processes.on_free_port(attempt)

    def get(self, key: str) -> int:
        """Use the API with a key; gives the answer's status.

        Raises:
            OSError: there was no answer.
        """
        context = ssl.create_default_context(cafile=str(self.ca_file))
        connection = http.client.HTTPSConnection(HOST, self.port, timeout=_ANSWER_S, context=context)
        try:
            connection.request("GET", "/v1/orders", headers={"Authorization": f"Bearer {key}"})
            return connection.getresponse().status
        finally:
            connection.close()

    def healthy(self) -> bool:
        """Whether it answers, and refuses a key that nobody has."""
        try:
            return self.get("none") == _UNAUTHORIZED
        except OSError:
            return False
