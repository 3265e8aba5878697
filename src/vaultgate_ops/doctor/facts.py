"""What probes saw. Rules: immutable, complete enough to be judged alone, and free of secrets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Place:
    """Somebody who has to be reached.

    Attributes:
        name: for people.
        host, port: where it is.
        https: whether TLS begins at once.
        needed: whether the function can't work without it.
        aws: a service of AWS, for which a VPC may have an endpoint.
    """

    name: str
    host: str
    port: int
    https: bool
    needed: bool = True
    aws: bool = False

    @property
    def about(self) -> str:
        """As people read it."""
        return f"{self.name} {self.host}:{self.port}"


@dataclass(frozen=True)
class Lookup:
    """A name was looked up.

    Attributes:
        addresses: that it has.
        failure: empty, `unknown`, or `timeout`.
        took_s: seconds.
    """

    place: Place
    addresses: tuple[str, ...]
    failure: str = ""
    took_s: float = 0.0


@dataclass(frozen=True)
class Attempt:
    """One address was dialled.

    Attributes:
        private: an address that no route leads to from the outside.
        outcome: `open`, `refused`, `timeout`, `no-route`, or the system's words.
        took_s: seconds.
    """

    address: str
    private: bool
    outcome: str
    took_s: float = 0.0


@dataclass(frozen=True)
class Dialled:
    """All addresses of a place were dialled.

    Attributes:
        in_function: seen from inside a Lambda function.
    """

    place: Place
    attempts: tuple[Attempt, ...]
    in_function: bool


@dataclass(frozen=True)
class Certificate:
    """What a server shows.

    Attributes:
        subject, issuer: common names, or what is there instead.
        names: DNS names and addresses it is good for.
        begins, ends: seconds since 1970.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    begins: float
    ends: float


@dataclass(frozen=True)
class Handshake:
    """TLS was tried as the extension does it.

    Attributes:
        expected: the name that the certificate must be good for.
        trust: which certificates were trusted, in words.
        authorities: subjects of these; empty for the system's.
        outcome: `ok`, `verify`, `not-tls`, `timeout`, `client-certificate`, `files` or `failed`.
        code: OpenSSL's verification error (`X509_V_ERR_...`, verify(1)); 0 for none.
        words: the library's.
        certificate: that the server showed, if it did.
        now: our clock, seconds since 1970.
    """

    place: Place
    expected: str
    trust: str
    authorities: tuple[str, ...]
    outcome: str
    code: int
    words: str
    certificate: Certificate | None
    now: float


@dataclass(frozen=True)
class Times:
    """Somebody's clock beside ours.

    Attributes:
        who: whose.
        ahead_s: how many seconds it is ahead of ours; a Date header counts whole seconds.
    """

    who: str
    ahead_s: float


@dataclass(frozen=True)
class Health:
    """What sys/health says.

    Attributes:
        status: of HTTP; 0 for no answer.
        document: its body; empty where that is no JSON object.
        words: why there is no answer.
        time: its clock, if it showed one.
    """

    place: Place
    status: int
    document: Mapping[str, object]
    words: str = ""
    time: Times | None = None


@dataclass(frozen=True)
class Keys:
    """Whether there is something to sign with.

    Attributes:
        access_key: the id of the key, which is no secret.
        words, hint: why there is none.
        assumed: the role whose keys were wanted; empty for the function's own.
    """

    access_key: str = ""
    words: str = ""
    hint: str = ""
    assumed: str = ""


@dataclass(frozen=True)
class CallerIdentity:
    """A signed GetCallerIdentity was sent.

    Attributes:
        endpoint: to where.
        region: it was signed for.
        status: of HTTP; 0 for no answer.
        code, words: of STS's error.
        arn: who STS says we are.
        needed: whether anything but this check needs STS.
        time: its clock, if it showed one.
    """

    endpoint: str
    region: str
    status: int
    code: str = ""
    words: str = ""
    arn: str = ""
    needed: bool = False
    time: Times | None = None


@dataclass(frozen=True)
class RoleSeen:
    """What an administrator's token shows of the login's other side; all empty where it may not look.

    Attributes:
        exists: whether there is the role; None for not known.
        bound: its bound_iam_principal_arn.
        unique_ids: its resolve_aws_unique_ids.
        server_id, sts_region, sts_endpoint: of the mount's client configuration.
    """

    exists: bool | None = None
    bound: tuple[str, ...] = ()
    unique_ids: bool = False
    server_id: str = ""
    sts_region: str = ""
    sts_endpoint: str = ""


@dataclass(frozen=True)
class Login:
    """A login was tried.

    Attributes:
        method, mount, role: as the settings say.
        server_id, region: that it was signed for.
        status: of HTTP; 0 for no answer.
        words: Vault's.
        arn: who STS says we are; empty where that isn't known.
        refused: what STS says to us, where it refuses; empty if it doesn't, or wasn't asked.
        account: of that role, as Vault sees it.
        display_name, entity_id: the principal as Vault sees it.
        policies: of the token.
        batch: it is a batch token.
        seen: by an administrator.
    """

    method: str
    mount: str
    role: str
    server_id: str
    region: str
    status: int
    words: str = ""
    arn: str = ""
    refused: str = ""
    account: str = ""
    display_name: str = ""
    entity_id: str = ""
    policies: tuple[str, ...] = ()
    batch: bool = False
    seen: RoleSeen = field(default_factory=RoleSeen)


@dataclass(frozen=True)
class Wanted:
    """A privilege that is needed.

    Attributes:
        vital: without it the function doesn't work.
        reason: what for.
    """

    path: str
    capability: str
    vital: bool
    reason: str


@dataclass(frozen=True)
class Mount:
    """Where a path leads.

    Attributes:
        path: of the mount, with a slash at its end.
        kind: of the engine.
        version: of a KV engine.
    """

    path: str
    kind: str
    version: str = ""


@dataclass(frozen=True)
class Grants:
    """What our token may do.

    Attributes:
        wanted: what it should.
        held: capabilities by path; None where Vault doesn't say.
        mounts: where paths lead; those that our token may not see are missing.
        policies: of the token.
        words: why `held` is None.
    """

    wanted: tuple[Wanted, ...]
    held: Mapping[str, tuple[str, ...]] | None
    mounts: Mapping[str, Mount] = field(default_factory=dict)
    policies: tuple[str, ...] = ()
    words: str = ""


@dataclass(frozen=True)
class Fetched:
    """The database's credential was asked for.

    Attributes:
        source: CREDENTIAL_SOURCE.
        where: path or name.
        code: `ok`, `denied`, `missing`, `engine` (Vault could not make it), `shape` (it holds no login), `failed`.
        words: of whoever refused.
        user: of the database.
        lease_s: seconds; 0 for none.
    """

    source: str
    where: str
    code: str
    words: str = ""
    user: str = ""
    lease_s: float = 0.0


@dataclass(frozen=True)
class DatabaseSession:
    """A login to the database, and one read of the table.

    Attributes:
        user: who.
        number: of the first error; 0 for none.
        stage: `connect` or `read`: when it came.
        words: the server's, or the system's.
        tls: why TLS failed; empty if it didn't.
        certificate_ends: of the server's certificate, seconds since 1970; 0 for not known.
        now: our clock.
    """

    place: Place
    database: str
    table: str
    user: str
    number: int = 0
    stage: str = "connect"
    words: str = ""
    tls: str = ""
    certificate_ends: float = 0.0
    now: float = 0.0


@dataclass(frozen=True)
class LayerSeen:
    """The layer as it lies there.

    Attributes:
        folder: such as /opt.
        launcher: `there`, `missing` or `not-executable`.
        python: version of the interpreter that the launcher finds; empty for none.
        tag: of its bytecode, such as cpython-312.
        modules: how many modules have a source.
        compiled: for each tag, how many modules have bytecode that is loaded without a look at the source.
        checked: how many files of our tag are of the kind that is compared with the source.
        bare: how many modules have bytecode in the source's place, as in a layer for one version.
        promised: versions whose bytecode is in it, by its manifest; None where it has none that can be read.
    """

    folder: str
    launcher: str
    python: str = ""
    tag: str = ""
    modules: int = 0
    compiled: Mapping[str, int] = field(default_factory=dict)
    checked: int = 0
    bare: int = 0
    promised: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ExtensionSeen:
    """What a running extension says of itself.

    Attributes:
        listen: its address.
        status: of HTTP; 0 for no answer.
        document: its health; empty where that is no JSON object.
        words: why there is none.
    """

    listen: str
    status: int
    document: Mapping[str, object]
    words: str = ""


@dataclass(frozen=True)
class RotationSeen:
    """A secret of Secrets Manager, and what of it may be called.

    Attributes:
        refused: operation to the service's words, for those that were denied.
        code: of the first other failure, `missing`, `refused` or `failed` (no answer); empty for none.
        words: the service's.
        enabled: rotation is.
        function: the rotation function's ARN.
        current: there is an AWSCURRENT.
        pending: id of the version whose rotation isn't finished; empty for none.
        pending_s: its age.
        overdue_s: how late the rotation is; 0 for not at all.
        owner: the service of AWS that manages it.
    """

    secret: str
    refused: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    words: str = ""
    enabled: bool = False
    function: str = ""
    current: bool = False
    pending: str = ""
    pending_s: float = 0.0
    overdue_s: float = 0.0
    owner: str = ""


@dataclass(frozen=True)
class MirrorSeen:
    """One device's mirror.

    Attributes:
        path: of the device's file; of the checkpoint where that can't be read.
        unreadable: why it can't.
    """

    path: str
    running: bool = False
    lines: int = 0
    size: int = 0
    behind_s: float = 0.0
    problems: tuple[str, ...] = ()
    unreadable: str = ""
