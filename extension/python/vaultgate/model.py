"""Immutable records that travel between the layers.

They are plain classes with slots: `dataclasses` and `typing.NamedTuple` each cost a cold start several milliseconds
of imports.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vaultgate.secret import Secret

Headers = tuple[tuple[str, str], ...]


def find(headers: Headers, name: str) -> str | None:
    """The first value of a header, by name in any case, or None."""
    wanted = name.lower()
    for key, value in headers:
        if key.lower() == wanted:
            return value
    return None


class Request:
    """An HTTP request, whole.

    Args:
        method: in capitals; LIST is one of Vault's own.
        target: path and query as they stand in the request line.
        headers: in order; names keep their case, compare without it.
        body: empty for none.
    """

    __slots__ = ("body", "headers", "method", "target")

    def __init__(self, method: str, target: str, headers: Headers = (), body: bytes = b"") -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        """Show what may be shown: neither header values nor the body."""
        return f"Request({self.method} {self.target}, {len(self.headers)} headers, {len(self.body)} bytes)"

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        """The first value of a header, or None."""
        return find(self.headers, name)


class Answer:
    """An HTTP answer, whole.

    Args:
        status: 200 to 599.
        headers: in order.
        body: empty for none.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Headers = (), body: bytes = b"") -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        """Show the status and the size; a body may hold secrets."""
        return f"Answer({self.status}, {len(self.body)} bytes)"

    @property
    def ok(self) -> bool:
        """Whether the status is a success."""
        return self.status // 100 == 2  # noqa: PLR2004 - HTTP's class of successes

    def header(self, name: str) -> str | None:
        """The first value of a header, or None."""
        return find(self.headers, name)


class AwsKeys:
    """AWS credentials at one moment.

    Args:
        access_key: the key id; not a secret, it shows in CloudTrail.
        secret_key: what requests are signed with.
        session_token: goes along with temporary keys; None with a user's own.
    """

    __slots__ = ("access_key", "secret_key", "session_token")

    def __init__(self, access_key: str, secret_key: Secret, session_token: Secret | None) -> None:
        self.access_key = access_key
        self.secret_key = secret_key
        self.session_token = session_token

    def __repr__(self) -> str:
        """Show the key's id only."""
        return f"AwsKeys({self.access_key})"


class Origin:
    """Where a server listens.

    Args:
        scheme: `http` or `https`.
        host: a name or an address, IPv6 without brackets.
        port: 1 to 65535.
        prefix: what stands before every path, without a slash at its end; usually empty.
    """

    __slots__ = ("host", "port", "prefix", "scheme")

    def __init__(self, scheme: str, host: str, port: int, prefix: str = "") -> None:
        self.scheme = scheme
        self.host = host
        self.port = port
        self.prefix = prefix

    def __repr__(self) -> str:
        """Show it as a URL."""
        return f"{self.scheme}://{self.authority}{self.prefix}"

    def __eq__(self, other: object) -> bool:
        """Two origins are one when their URLs are."""
        return isinstance(other, Origin) and repr(self) == repr(other)

    def __hash__(self) -> int:
        """Hash the URL."""
        return hash(repr(self))

    @property
    def authority(self) -> str:
        """Host and port as a Host header names them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"


class TlsSettings:
    """How a TLS server is checked, and how we show ourselves to it.

    Args:
        ca_file: PEM bundle to trust instead of the system's; None for the system's.
        ca_folder: folder of PEM files to trust; None for none.
        client_certificate: our certificate's PEM file; None for none.
        client_key: its key's PEM file.
        server_name: the name to expect and to send as SNI; None for the origin's host.
        verify: False trusts anybody.
    """

    __slots__ = ("ca_file", "ca_folder", "client_certificate", "client_key", "server_name", "verify")

    def __init__(
        self,
        ca_file: str | None = None,
        ca_folder: str | None = None,
        client_certificate: str | None = None,
        client_key: str | None = None,
        server_name: str | None = None,
        *,
        verify: bool = True,
    ) -> None:
        self.ca_file = ca_file
        self.ca_folder = ca_folder
        self.client_certificate = client_certificate
        self.client_key = client_key
        self.server_name = server_name
        self.verify = verify


class AppRoleSettings:
    """Where an AppRole login finds what it shows; file or value, never both.

    Args:
        role_id, role_id_file: which role; one of them is there.
        secret_id, secret_id_file: what proves it; neither where the role binds no secret_id.
        wrapping_path: where the secret_id was made, if it comes wrapped; None if it comes as it is.
    """

    __slots__ = ("role_id", "role_id_file", "secret_id", "secret_id_file", "wrapping_path")

    def __init__(
        self,
        role_id: str | None = None,
        role_id_file: str | None = None,
        secret_id: Secret | None = None,
        secret_id_file: str | None = None,
        wrapping_path: str | None = None,
    ) -> None:
        self.role_id = role_id
        self.role_id_file = role_id_file
        self.secret_id = secret_id
        self.secret_id_file = secret_id_file
        self.wrapping_path = wrapping_path
