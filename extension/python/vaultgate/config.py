"""Settings: a mapping in, one frozen `Config` out, or every problem at once.

Rules: this module never reads `os.environ`, it is handed a mapping. An unknown `VAULTGATE_*` name is a problem, because a
misspelt protection protects nobody; other people's names are none of our business. What the settings about files mean
together is `file_plan`'s business, which is imported only where one of them is set.
"""

from __future__ import annotations

import re

from vaultgate.arrival import SNAP_START, kind_of
from vaultgate.errors import ConfigurationError
from vaultgate.model import AppRoleSettings, Origin, TlsSettings
from vaultgate.settings import SETTINGS
from vaultgate.values import TRUE, is_loopback, origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from vaultgate.file_plan import FilePlan

PREFIX = "VAULTGATE_"
_AGENT, _ALLOW_SINK = "VAULTGATE_CONFIG", "VAULTGATE_ALLOW_SINK"
# In the order of AppRoleSettings.
_APPROLE = (
    "VAULTGATE_APPROLE_ROLE_ID",
    "VAULTGATE_APPROLE_ROLE_ID_FILE",
    "VAULTGATE_APPROLE_SECRET_ID",
    "VAULTGATE_APPROLE_SECRET_ID_FILE",
    "VAULTGATE_APPROLE_WRAPPING_PATH",
)
_EITHER = (_APPROLE[:2], _APPROLE[2:4])


class Config:
    """What the extension was told, checked and frozen.

    Attributes are the settings' values under shorter names; durations in seconds, sizes in bytes.
    """

    __slots__ = (
        "addresses",
        "allow",
        "approle",
        "assumed_role_arn",
        "auth_method",
        "auth_mount",
        "auth_role",
        "cache_always",
        "cache_bytes",
        "cache_rules",
        "cache_ttl_s",
        "deny",
        "files",
        "guard",
        "iam_server_id",
        "lease_margin_s",
        "listen",
        "log_level",
        "max_retries",
        "metrics",
        "namespace",
        "rate_limit",
        "run_mode",
        "sinks",
        "stale_max_s",
        "start",
        "sts_endpoint",
        "sts_region",
        "timeout_s",
        "tls",
        "token_margin_s",
        "vault",
    )

    addresses: tuple[tuple[Origin, str | None], ...]
    approle: AppRoleSettings
    allow: tuple[tuple[str, str], ...]
    assumed_role_arn: str | None
    auth_method: str
    auth_mount: str
    auth_role: str
    cache_always: bool
    cache_bytes: int
    cache_rules: tuple[tuple[str, float], ...]
    cache_ttl_s: float | None
    deny: tuple[tuple[str, str], ...]
    files: tuple[FilePlan, ...]
    guard: str
    iam_server_id: str | None
    lease_margin_s: float | None
    listen: tuple[str, int]
    log_level: str
    max_retries: int
    metrics: bool
    namespace: str | None
    rate_limit: tuple[float, int] | None
    run_mode: str
    sinks: tuple[tuple[str, int], ...]
    stale_max_s: float
    start: str
    sts_endpoint: Origin | None
    sts_region: str | None
    timeout_s: float
    tls: TlsSettings
    token_margin_s: float
    vault: Origin

    def __init__(self, **values: object) -> None:
        for name in self.__slots__:
            object.__setattr__(self, name, values[name])

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: a configuration doesn't change while it is in force."""
        raise AttributeError(f"a Config is frozen; {name} was not set")


def load(environ: Mapping[str, str], read: Callable[[str], str] | None = None) -> Config:
    """Check a whole environment.

    Args:
        environ: names to texts. An empty text counts as absent, as it does in Vault's own tools.
        read: gives a file's text, for VAULTGATE_CONFIG; raises OSError.

    Raises:
        ConfigurationError: with all problems, each naming its variable.
    """
    # Blanks at the ends of a template are its own.
    environ = {name: text if name.endswith("_TEMPLATE") else text.strip() for name, text in environ.items()}
    problems = list(_unknown(environ))
    sinks: tuple[tuple[str, int], ...] = ()
    if environ.get(_AGENT) and read is not None:
        environ, sinks, wrong = _with_agents(environ, read)
        problems.extend(wrong)
    values: dict[str, object] = {}
    named: dict[str, set[str]] = {}
    near = [name for name, text in environ.items() if text and name.startswith("VAULT")]
    for setting in SETTINGS:
        texts = {setting.name: environ.get(setting.name) or setting.default}
        if setting.shown != setting.name:
            endings = {name: ending for name in near if (ending := setting.ending(name)) is not None}
            texts |= {name: environ[name] for name in endings}
            named[setting.name] = set(endings.values())
        for name, text in texts.items():
            values[name] = None
            if text is not None:
                try:
                    values[name] = setting.parse(text)
                except ValueError as reason:
                    # Somebody may have put a password before the host.
                    problems.append(f"{name}={re.sub('//.*@', '//***@', text)!r} {reason}")
    files, wrong = _files(named, values)
    problems.extend(wrong)
    problems.extend(_contradictions(environ, values))
    if kind_of(environ) == SNAP_START:
        problems.extend(_not_before_a_snapshot(values, files))
    if problems:
        raise ConfigurationError(problems)
    return Config(
        addresses=values["VAULTGATE_ADDRESSES"] or (),
        approle=_approle(values),
        allow=values["VAULTGATE_ALLOW"] or (),
        assumed_role_arn=values["VAULT_ASSUMED_ROLE_ARN"],
        auth_method=values["VAULTGATE_AUTH_METHOD"],
        auth_mount=values["VAULT_AUTH_PROVIDER"] or values["VAULTGATE_AUTH_METHOD"],
        auth_role=values["VAULT_AUTH_ROLE"] or "",
        cache_always=values["VAULT_DEFAULT_CACHE_ENABLED"],
        cache_bytes=values["VAULTGATE_CACHE_BYTES"],
        cache_rules=values["VAULTGATE_CACHE"] or (),
        cache_ttl_s=values["VAULT_DEFAULT_CACHE_TTL"],
        deny=values["VAULTGATE_DENY"] or (),
        files=files,
        guard=values["VAULTGATE_GUARD"],
        iam_server_id=values["VAULT_IAM_SERVER_ID"],
        lease_margin_s=values["VAULTGATE_LEASE_MARGIN"],
        listen=values["VAULTGATE_LISTEN"],
        log_level=values["VAULT_LOG_LEVEL"],
        max_retries=values["VAULT_MAX_RETRIES"],
        metrics=values["VAULTGATE_METRICS"] == "emf",
        namespace=values["VAULT_NAMESPACE"],
        rate_limit=values["VAULT_RATE_LIMIT"],
        run_mode=values["VAULT_RUN_MODE"],
        sinks=sinks,
        stale_max_s=values["VAULTGATE_STALE_MAX"] if values["VAULTGATE_ON_FAILURE"] == "stale" else 0.0,
        start=values["VAULTGATE_START"] if environ.get("VAULTGATE_START") or not files else "ready",
        sts_endpoint=_sts_endpoint(environ),
        sts_region=values["VAULT_STS_ENDPOINT_REGION"] or _regional(environ),
        timeout_s=values["VAULT_CLIENT_TIMEOUT"],
        tls=TlsSettings(
            ca_file=environ.get("VAULT_CACERT") or None,
            ca_folder=environ.get("VAULT_CAPATH") or None,
            client_certificate=environ.get("VAULT_CLIENT_CERT") or None,
            client_key=environ.get("VAULT_CLIENT_KEY") or None,
            server_name=environ.get("VAULT_TLS_SERVER_NAME") or None,
            verify=not values["VAULT_SKIP_VERIFY"],
        ),
        token_margin_s=values["VAULT_TOKEN_EXPIRY_GRACE_PERIOD"],
        vault=values["VLE_VAULT_ADDR"] or values["VAULT_ADDR"],
    )


def _with_agents(
    environ: Mapping[str, str], read: Callable[[str], str]
) -> tuple[Mapping[str, str], tuple[tuple[str, int], ...], list[str]]:
    """The environment with what a Vault Agent's configuration says where it says nothing; sinks; problems."""
    from vaultgate.agent_config import Agent  # noqa: PLC0415 - few have one, and a cold start shouldn't pay

    file = environ[_AGENT]
    try:
        agent = Agent(read(file), read)
    except (OSError, ValueError) as error:
        return environ, (), [f"{_AGENT}={file} can't be read ({error})"]
    problems = [f"{_AGENT}={file}: {problem}" for problem in agent.problems]
    if agent.sinks and environ.get(_ALLOW_SINK, "").lower() not in TRUE:
        problems.append(f"{_AGENT}={file}: auto_auth.sink writes our token to a file: set {_ALLOW_SINK}=true if that is meant")
    return {**agent.texts, **{name: text for name, text in environ.items() if text}}, tuple(agent.sinks), problems


def _regional(environ: Mapping[str, str]) -> str | None:
    """The function's own region, where AWS's SDKs were told to use regional STS endpoints."""
    if environ.get("AWS_STS_REGIONAL_ENDPOINTS", "").lower() == "regional":
        return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    return None


def _sts_endpoint(environ: Mapping[str, str]) -> Origin | None:
    """Where AWS's SDKs were told that STS is, if they were."""
    text = environ.get("AWS_ENDPOINT_URL_STS") or environ.get("AWS_ENDPOINT_URL")
    try:
        return origin(text) if text else None
    except ValueError:
        return None  # the SDKs' own setting: they report it


def _in_clear(server: object) -> bool:
    """Whether what is sent to a server can be read on the way."""
    return isinstance(server, Origin) and server.scheme == "http" and not is_loopback(server.host)


def _files(named: dict[str, set[str]], values: dict[str, object]) -> tuple[tuple[FilePlan, ...], list[str]]:
    """The files to write, and what is wrong with the settings about them."""
    if not any(named.values()):
        wrong = ["VAULT_RUN_MODE=file has nothing to serve: set VAULT_SECRET_PATH, or another mode"]
        return (), wrong if values["VAULT_RUN_MODE"] == "file" else []
    from vaultgate.file_plan import plans  # noqa: PLC0415 - where no file is asked for, a cold start shouldn't pay

    files, problems = plans(named, values)
    return files if values["VAULT_RUN_MODE"] != "proxy" else (), problems


def _unknown(environ: Mapping[str, str]) -> list[str]:
    known = {setting.name.removeprefix(PREFIX) for setting in SETTINGS if setting.name.startswith(PREFIX)}
    problems = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and all(setting.ending(name) is None for setting in SETTINGS):
            import difflib  # noqa: PLC0415 - only a mistake needs it, and a cold start shouldn't pay

            # What they all begin with would make any two alike.
            near = difflib.get_close_matches(name.removeprefix(PREFIX), known, 1)
            problems.append(f"{name} is not a setting" + (f": did you mean {PREFIX}{near[0]}?" if near else ""))
    return problems


def _address_problems(values: Mapping[str, Any]) -> list[str]:
    """What is wrong with the further addresses of Vault."""
    problems = []
    for server, server_id in values["VAULTGATE_ADDRESSES"] or ():
        if _in_clear(server) and not values["VAULTGATE_ALLOW_HTTP"]:
            problems.append(f"VAULTGATE_ADDRESSES: {server!r} would send tokens in clear: use https, or allow http")
        if server_id and values["VAULTGATE_AUTH_METHOD"] != "aws":
            problems.append(f"VAULTGATE_ADDRESSES: {server!r} names a server id, which only an AWS login is bound to")
    return problems


def _contradictions(environ: Mapping[str, str], values: Mapping[str, object]) -> list[str]:
    problems = []
    vault = values["VLE_VAULT_ADDR"] or values["VAULT_ADDR"]
    if not (environ.get("VAULT_ADDR") or environ.get("VLE_VAULT_ADDR")):
        problems.append("VAULT_ADDR is missing: set it to Vault's address, such as https://vault.example.com:8200")
    problems.extend(_login_problems(environ, values["VAULTGATE_AUTH_METHOD"]))
    if _in_clear(vault) and not values["VAULTGATE_ALLOW_HTTP"]:
        problems.append(f"VAULT_ADDR={vault!r} would send tokens in clear: use https, or set VAULTGATE_ALLOW_HTTP=true")
    problems.extend(_address_problems(values))
    sts = _sts_endpoint(environ)
    if values["VAULT_ASSUMED_ROLE_ARN"] and _in_clear(sts):
        problems.append(f"VAULT_ASSUMED_ROLE_ARN: the role's keys would come from {sts!r} in clear: use https")
    if values["VAULT_DEFAULT_CACHE_ENABLED"] and not environ.get("VAULT_DEFAULT_CACHE_TTL"):
        problems.append("VAULT_DEFAULT_CACHE_ENABLED needs VAULT_DEFAULT_CACHE_TTL: say how long, such as 30s")
    if bool(environ.get("VAULT_CLIENT_CERT")) != bool(environ.get("VAULT_CLIENT_KEY")):
        problems.append("VAULT_CLIENT_CERT and VAULT_CLIENT_KEY go together: set both or none")
    return problems


def _approle(values: Mapping[str, Any]) -> AppRoleSettings:
    return AppRoleSettings(*[values[name] for name in _APPROLE])


def _login_problems(environ: Mapping[str, str], method: object) -> list[str]:
    """What is missing, or too much, for the auth method; None for one that was not understood."""
    given = [name for name in _APPROLE if environ.get(name)]
    if method == "approle":
        problems = (
            [] if set(_APPROLE[:2]) & set(given) else [f"{_APPROLE[1]} is missing: name the file with the AppRole's role_id"]
        )
        problems += [f"{one} and {other} exclude each other: set one" for one, other in _EITHER if {one, other} <= set(given)]
        if given[-1:] == [_APPROLE[4]] and not set(_APPROLE[2:4]) & set(given):
            problems.append(f"{_APPROLE[4]} needs {_APPROLE[3]}: name the file with the wrapping token")
        return problems
    problems = [f"{name} needs VAULTGATE_AUTH_METHOD=approle" for name in given if method == "aws"]
    if not environ.get("VAULT_AUTH_ROLE"):
        problems.append("VAULT_AUTH_ROLE is missing: set it to the name of a role of Vault's AWS auth method")
    return problems


def _not_before_a_snapshot(values: Mapping[str, object], files: tuple[FilePlan, ...]) -> list[str]:
    """What would put a secret into the snapshot that every sandbox of the version is restored from."""
    why = "can't be used with SnapStart: the snapshot would hold what it fetched, for every sandbox that is restored from it"
    problems = [f"VAULTGATE_START=ready {why}; leave it out"] if values["VAULTGATE_START"] == "ready" else []
    if files:
        problems.append(f"VAULT_SECRET_PATH {why}; read through the proxy or vaultgate.client instead")
    return problems
