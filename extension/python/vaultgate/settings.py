"""The table of settings: every name, what its text may look like, its default, and what it means.

Rule: this is the only list of names; `config`, the command line and docs/configuration.md come from it.
"""

from __future__ import annotations

from vaultgate.values import (
    addresses,
    boolean,
    cache_rules,
    choice,
    count,
    duration,
    file_mode,
    file_path,
    listen_address,
    mount,
    origin,
    path_rules,
    positive_duration,
    rate_limit,
    role_arn,
    secret,
    secret_file,
    secret_path,
    size,
    template,
    word,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Setting:
    """One row of the table.

    Args:
        name: the variable.
        parse: text to value; raises ValueError whose text follows the name in the problem.
        default: the text that stands for an absent variable; None where absent means None.
        meaning: one line for people.
        shown: the name with `[_X]` where each file may have one of its own; by default nothing may.
    """

    __slots__ = ("default", "meaning", "name", "parse", "shown")

    def __init__(self, name: str, parse: Callable[[str], object], default: str | None, meaning: str, shown: str = "") -> None:
        self.name = name
        self.parse = parse
        self.default = default
        self.meaning = meaning
        self.shown = shown or name

    def ending(self, variable: str) -> str | None:
        """For which file a variable is this setting: `_X`, or empty for all or the one without a name; None if it isn't."""
        if variable == self.name:
            return ""
        before, one_of_many, after = self.shown.partition("[_X]")
        ending = variable.removeprefix(before).removesuffix(after)
        fits = one_of_many and len(ending) > 1 and ending.startswith("_") and variable == before + ending + after
        return ending if fits else None


SETTINGS = (
    Setting("VAULT_ADDR", origin, None, "Vault's address"),
    Setting("VLE_VAULT_ADDR", origin, None, "Vault's address for the extension alone; wins over VAULT_ADDR"),
    Setting("VAULT_AUTH_PROVIDER", mount, None, "the mount of the auth method to log in at; unset: VAULTGATE_AUTH_METHOD's word"),
    Setting("VAULT_AUTH_ROLE", word, None, "the role to log in as; an AppRole's role_id says it already"),
    Setting("VAULT_IAM_SERVER_ID", word, None, "what X-Vault-AWS-IAM-Server-ID says, if Vault asks for it"),
    Setting("VAULT_ASSUMED_ROLE_ARN", role_arn, None, "a role to assume first, and to log in as"),
    Setting(
        "VAULT_STS_ENDPOINT_REGION",
        word,
        None,
        "the region whose STS the login is signed for; unset: the global endpoint, signed for us-east-1",
    ),
    Setting("VAULT_NAMESPACE", word, None, "the namespace of the login and of proxied calls that name none"),
    Setting("VAULT_CACERT", str, None, "PEM file to trust instead of the system's certificates"),
    Setting("VAULT_CAPATH", str, None, "folder of PEM files to trust, whatever they are called, where VAULT_CACERT is not set"),
    Setting("VAULT_CLIENT_CERT", str, None, "PEM file of our certificate, for Vaults that ask for one"),
    Setting("VAULT_CLIENT_KEY", str, None, "PEM file of its key"),
    Setting("VAULT_TLS_SERVER_NAME", word, None, "the name to expect in Vault's certificate"),
    Setting("VAULT_SKIP_VERIFY", boolean, "false", "trust any certificate; for trials only"),
    Setting("VAULT_CLIENT_TIMEOUT", positive_duration, "60s", "the longest a call to Vault may take outside an invocation"),
    Setting("VAULT_MAX_RETRIES", count, "2", "how often a call that may be repeated is tried again"),
    Setting(
        "VAULT_RATE_LIMIT",
        rate_limit,
        None,
        "`rate[:burst]`: the most requests to Vault in a second, and how many at once; the others wait for their turn",
    ),
    Setting("VAULT_TOKEN_EXPIRY_GRACE_PERIOD", duration, "10s", "a token counts as over this long before its end"),
    Setting(
        "VAULT_LOG_LEVEL",
        choice("trace", "debug", "info", "warn", "error", "off"),
        "info",
        "the least level that is logged",
    ),
    Setting(
        "VAULT_RUN_MODE",
        choice("default", "proxy", "file"),
        "default",
        "default: the proxy, and the files asked for; proxy: no files; file: files only, no port",
    ),
    Setting(
        "VAULT_SECRET_PATH",
        secret_path,
        None,
        "the path of a secret to write to a file, such as secret/data/app; _X tells several apart",
        "VAULT_SECRET_PATH[_X]",
    ),
    Setting(
        "VAULT_SECRET_FILE",
        secret_file,
        "/tmp/vault/secret.json",  # noqa: S108 - HashiCorp's place for it; in Lambda nobody else is there
        "where that file goes, below /tmp/vault if it isn't absolute; with _X there is no default",
        "VAULT_SECRET_FILE[_X]",
    ),
    Setting(
        "VAULT_DEFAULT_CACHE_TTL",
        positive_duration,
        None,
        "how long reads without a lease are kept, if a request asks by X-Vault-Cache-Control or the next setting is true",
    ),
    Setting("VAULT_DEFAULT_CACHE_ENABLED", boolean, "false", "keep reads without a lease unless a request says nocache"),
    Setting(
        "VAULTGATE_AUTH_METHOD",
        choice("aws", "approle"),
        "aws",
        "how to log in: aws: with the function's IAM role; approle: with role_id and secret_id, on a laptop or another host",
    ),
    Setting("VAULTGATE_APPROLE_ROLE_ID_FILE", file_path, None, "the file that holds the AppRole's role_id"),
    Setting("VAULTGATE_APPROLE_ROLE_ID", word, None, "the role_id itself, instead of that file"),
    Setting(
        "VAULTGATE_APPROLE_SECRET_ID_FILE",
        file_path,
        None,
        "the file that holds the secret_id, which nobody else may read (mode 0600); read again at each login",
    ),
    Setting(
        "VAULTGATE_APPROLE_SECRET_ID",
        secret,
        None,
        "the secret_id itself, instead of that file; whoever may look at the process's environment sees it",
    ),
    Setting(
        "VAULTGATE_APPROLE_WRAPPING_PATH",
        mount,
        None,
        "the secret_id comes response-wrapped, and must have been made at this path, such as auth/approle/role/app/secret-id",
    ),
    Setting(
        "VAULTGATE_ADDRESSES",
        addresses,
        None,
        "more addresses of Vault, `https://b:8200,...`, tried in this order after VAULT_ADDR; one of another cluster names that "
        "cluster's server id: `https://dr:8200#server-id`",
    ),
    Setting("VAULTGATE_EXEC_NEXT", file_path, None, "the wrapper script that vaultgate-exec hands over to; see lambda.md"),
    Setting(
        "VAULTGATE_LISTEN",
        listen_address,
        "127.0.0.1:8200",
        "the loopback address of the proxy; outside Lambda vaultgate.client looks for one only where this is set",
    ),
    Setting(
        "VAULTGATE_START",
        choice("overlap", "early", "ready"),
        "overlap",
        "overlap: log in and write files beside the function's init, Next after that (5 s at most); early: Next at once; "
        "ready: log in and write files before registering, and fail the init if that fails; the default where files are written",
    ),
    Setting(
        "VAULTGATE_GUARD",
        choice("header", "secret", "warn", "open"),
        "header",
        "header: a request must carry X-Vault-Request: true or X-Vault-Token; secret: it must carry X-Vaultgate-Secret with what "
        "stands in a file of this sandbox, which vaultgate.client reads by itself; warn: log those without the headers; "
        "open: let them in",
    ),
    Setting(
        "VAULTGATE_ALLOW",
        path_rules,
        None,
        "`glob,...` or `METHOD glob,...`: with the extension's token only these paths pass, beside the few of the system's that "
        "an application needs; sys/... and auth/token/... pass where a glob begins so",
    ),
    Setting(
        "VAULTGATE_DENY",
        path_rules,
        None,
        "the same form: what never passes with the extension's token, whatever is allowed",
    ),
    Setting(
        "VAULTGATE_CACHE",
        cache_rules,
        None,
        "`glob=duration,...` for reads without a lease, before the two settings above; 0 is never; the first that matches counts",
    ),
    Setting("VAULTGATE_CACHE_BYTES", size, "8MiB", "the most memory that kept answers may take"),
    Setting(
        "VAULTGATE_ON_FAILURE",
        choice("stale", "closed"),
        "stale",
        "while Vault can't answer: stale: a kept value without a lease is served past its time; closed: never",
    ),
    Setting("VAULTGATE_STALE_MAX", duration, "5m", "how long past its time"),
    Setting(
        "VAULTGATE_LEASE_MARGIN",
        duration,
        None,
        "a lease counts as over this long before its end; unset: the smaller of 10 s and 10 %",
    ),
    Setting(
        "VAULTGATE_FILE_FORMAT",
        choice("json", "data", "env", "properties", "template"),
        "json",
        "json: Vault's whole answer; data: the fields as JSON; env: lines for sh; properties: Java's; template: the next",
        "VAULTGATE_FILE[_X]_FORMAT",
    ),
    Setting(
        "VAULTGATE_FILE_TEMPLATE",
        template,
        None,
        "the file's text, with `{{ path#field }}`, or `{{ #field }}` for the file's own path, where a secret goes",
        "VAULTGATE_FILE[_X]_TEMPLATE",
    ),
    Setting(
        "VAULTGATE_FILE_MODE",
        file_mode,
        "0600",
        "the mode of written files; with _X that of one of them",
        "VAULTGATE_FILE[_X]_MODE",
    ),
    Setting(
        "VAULTGATE_METRICS",
        choice("off", "emf"),
        "off",
        "emf: write metrics into the log, in CloudWatch's embedded metric format; see metrics.md",
    ),
    Setting("VAULTGATE_CONFIG", file_path, None, "a Vault Agent's configuration in JSON form; see agent.md"),
    Setting("VAULTGATE_ALLOW_SINK", boolean, "false", "let that configuration's sinks write the extension's token to files"),
    Setting("VAULTGATE_ALLOW_HTTP", boolean, "false", "allow http:// to a Vault that is not on loopback"),
)
