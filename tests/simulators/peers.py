"""The built layer's extension between a Vault and a Lambda that both remember what they were asked.

Rules: Vault is the simulator, which the contract tests hold to the real one, over real TLS on loopback; Lambda is the Extensions
API; the extension is the process that ships, and files go to a /tmp of its own.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.simulators.clock import MovableClock
from tests.simulators.extension import KEYS
from tests.simulators.lives import Life, life
from tests.simulators.loopback import loopback
from tests.simulators.vault import SERVER_ID, SimulatedVault, over_http

from vaultgate_ops.local import namespace, paths, preflight

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from tests.simulators.certificates import Authority

    from vaultgate.model import Request

CREDS = "database/creds/records"
KV = "secret/data/records"
ENVELOPE = {"request_id", "lease_id", "lease_duration", "renewable", "data", "warnings"}


class Signed:
    """What a login asked Vault to send to STS.

    Attributes:
        url, headers, body: of that request.
        role: the role it was made for.
    """

    def __init__(self, login: Request) -> None:
        document = json.loads(login.body)
        self.role = document["role"]
        self.url = base64.b64decode(document["iam_request_url"]).decode()
        self.headers = {name: values[0] for name, values in json.loads(base64.b64decode(document["iam_request_headers"])).items()}

    @property
    def scope(self) -> str:
        """Key, day, region and service that it is signed for."""
        return self.headers["Authorization"].partition("Credential=")[2].partition(",")[0]


class Peer:
    """A Vault, and whoever lives beside it."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        self.authority = authority
        self.folder = folder
        self.tmp = folder / "sandbox-tmp"
        self.tmp.mkdir()
        self.server = SimulatedVault(MovableClock())

    @contextmanager
    def vault(self, context: ssl.SSLContext | None = None, **environment: str | None) -> Iterator[dict[str, str]]:
        """Vault's server, with this certificate; what a function's environment says of it, but for these names."""
        with loopback(over_http(self.server), context or self.authority.server("127.0.0.1")) as listening:
            self.listening = listening
            usual: dict[str, str | None] = {
                **KEYS,
                "VAULT_ADDR": str(listening.origin),
                "VAULT_CACERT": str(self.authority.certificate_file),
                "VAULT_AUTH_PROVIDER": "aws",
                "VAULT_AUTH_ROLE": "records",
                "VAULT_IAM_SERVER_ID": SERVER_ID,
            }
            yield {name: text for name, text in (usual | environment).items() if text is not None}

    @contextmanager
    def life(self, context: ssl.SSLContext | None = None, **environment: str | None) -> Iterator[Life]:
        """An extension whose init is over."""
        with self.vault(context, **environment) as variables, life(variables) as one:
            yield one.until_ready()

    @contextmanager
    def beside(self, environment: dict[str, str]) -> Iterator[Life]:
        """An extension with this environment, beside a Vault that runs already."""
        with life(environment) as one:
            yield one.until_ready()

    @contextmanager
    def boxed(self, **environment: str | None) -> Iterator[Life]:
        """The same with a /tmp of its own, which is `tmp`, and the layer on /opt."""
        layer = paths.build_folder() / "layer"
        visible = (self.folder, Path(sys.executable).parent, Path(sys.prefix), Path(sys.base_prefix))
        enter = namespace.enter(preflight.mount_namespace(os.environ), layer, self.tmp, visible)
        with self.vault(None, **environment) as variables, life(variables, [*enter, "/opt/extensions/vaultgate"]) as one:
            yield one.until_ready()

    def refusal(self, **environment: str | None) -> str:
        """What Lambda is told by an extension that doesn't start."""
        with self.vault(None, **environment) as variables, life(variables) as one:
            one.process.wait(20)
            [(call, _, document)] = one.api.errors
            if call != "init/error":
                raise AssertionError(f"it was refused by {call}")
            return str(document["errorMessage"])

    def asked(self, path: str, method: str = "GET") -> list[Request]:
        """Every request that came to Vault for a path."""
        return [one for one in self.listening.requests if (one.method, one.path) == (method, f"/v1/{path}")]

    def logins(self, mount: str = "aws") -> list[Signed]:
        """Every login that came."""
        return [Signed(one) for one in self.asked(f"auth/{mount}/login", "POST")]

    def file(self, name: str) -> Any:
        """The document in a file of the sandbox's /tmp."""
        return json.loads((self.tmp / name).read_text(encoding="utf-8"))

    def mode(self, name: str) -> str:
        """The permission bits of what is at a name of the sandbox's /tmp."""
        return oct((self.tmp / name).stat().st_mode & 0o777)


def answers(one: Life, path: str = KV, **headers: str) -> str:
    """A good answer's word about the cache."""
    reply = one.ask(path, **headers)
    if reply.status != 200:
        raise AssertionError(f"{reply.status} {reply.text}: {one.output}")
    return reply.headers["X-Vaultgate-Cache"]


def assumed_role(access_key: str) -> bytes:
    """STS's answer to AssumeRole, as it comes over the wire."""
    keys = f"<AccessKeyId>{access_key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
    body = f"<AssumeRoleResponse><AssumeRoleResult><Credentials>{keys}</Credentials></AssumeRoleResult></AssumeRoleResponse>"
    return f"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
