"""Vault Agent's configuration, in its JSON form, as the extension's settings.

Rules: pure, and imported only where VAULTGATE_CONFIG is set; every key is translated, or known to change nothing here, or a
problem that names it: what is not supported is never passed over in silence. A variable of the environment wins over the
file, as it does with Vault Agent. docs/agent.md has a row for each key.
Source: HashiCorp, "What is Vault Agent?", configuration reference and "Use Vault Agent templates".
"""

from __future__ import annotations

import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Take = Callable[[Any, str], None]

_ACTION = re.compile(r"\{\{(-?)\s*(.*?)\s*(-?)\}\}", re.DOTALL)
_WITH = re.compile(r'with\s+secret\s+"([^"]+)"')
_FIELD = re.compile(r"\.Data\.(?:data\.)?([A-Za-z0-9_]+)")
_INDEX = re.compile(r'index\s+\.Data(?:\.data)?\s+"([^"#{}]+)"')
_ALL_BITS = 0o777
_OWN_TOKEN = "the extension's own token serves every request that brings none"  # noqa: S105 - words


class Agent:
    """What a configuration says.

    Attributes:
        texts: settings' texts by name.
        sinks: files that the token is to be written to: path and permission bits.
        problems: what is wrong with it, or not supported, each with its place.
    """

    def __init__(self, text: str, read: Callable[[str], str]) -> None:
        """Understand a configuration.

        Args:
            text: of the file.
            read: the content of a template's source; raises OSError.
        """
        self.texts: dict[str, str] = {}
        self.sinks: list[tuple[str, int]] = []
        self.problems: list[str] = []
        self._read = read
        try:
            document = json.loads(text)
        except ValueError as error:
            self.problems.append(f"is not JSON ({error}); Vault Agent's HCL has to be written as JSON here")
            return
        self._walk(
            document,
            "",
            {
                "vault": self._vault,
                "auto_auth": self._auto_auth,
                "template": self._each(self._template),
                "template_config": self._template_config,
                "cache": self._cache,
                "api_proxy": self._cache,
                "listener": self._each(self._listener),
                "log_level": self._text("VAULT_LOG_LEVEL"),
                "exit_after_auth": self._only(False),
                "pid_file": self._only(""),
            },
        )

    # --- stanzas ---

    def _vault(self, value: Any, where: str) -> None:
        self._walk(
            value,
            where,
            {
                "address": self._text("VAULT_ADDR"),
                "ca_cert": self._text("VAULT_CACERT"),
                "ca_path": self._text("VAULT_CAPATH"),
                "client_cert": self._text("VAULT_CLIENT_CERT"),
                "client_key": self._text("VAULT_CLIENT_KEY"),
                "tls_skip_verify": self._text("VAULT_SKIP_VERIFY"),
                "tls_server_name": self._text("VAULT_TLS_SERVER_NAME"),
                "namespace": self._text("VAULT_NAMESPACE"),
                "retry": lambda inner, place: self._walk(inner, place, {"num_retries": self._retries}),
            },
        )

    def _retries(self, value: Any, where: str) -> None:
        """-1 is none for Vault Agent, 0 its default."""
        try:
            retries = int(value) if isinstance(value, int | str) and not isinstance(value, bool) else None
        except ValueError:
            retries = None
        if retries is None:
            self.problems.append(f"{where} must be a whole number")
        elif retries:
            self.texts["VAULT_MAX_RETRIES"] = str(max(0, retries))

    def _auto_auth(self, value: Any, where: str) -> None:
        sinks = self._each(self._sink)
        self._walk(value, where, {"method": self._method, "sink": sinks, "sinks": sinks})

    def _method(self, value: Any, where: str) -> None:
        kind, inner = self._typed(value, where)
        configs: dict[str | None, Take] = {"aws": self._aws, "approle": self._approle}
        if kind not in configs:
            self.problems.append(f"{where}: the type {kind!r} is not supported: aws and approle are")
            return
        self.texts["VAULTGATE_AUTH_METHOD"] = str(kind)
        self._walk(
            inner,
            where,
            {
                "mount_path": lambda path, place: self._text("VAULT_AUTH_PROVIDER")(str(path).removeprefix("auth/"), place),
                "namespace": self._text("VAULT_NAMESPACE"),
                "config": configs[kind],
                "exit_on_err": self._only(False),
            },
        )

    def _aws(self, value: Any, where: str) -> None:
        self._walk(
            value,
            where,
            {
                "type": self._only("iam"),
                "role": self._text("VAULT_AUTH_ROLE"),
                "region": self._text("VAULT_STS_ENDPOINT_REGION"),
                "header_value": self._text("VAULT_IAM_SERVER_ID"),
            },
        )

    def _approle(self, value: Any, where: str) -> None:
        self._walk(
            value,
            where,
            {
                "role_id_file_path": self._text("VAULTGATE_APPROLE_ROLE_ID_FILE"),
                "secret_id_file_path": self._text("VAULTGATE_APPROLE_SECRET_ID_FILE"),
                "secret_id_response_wrapping_path": self._text("VAULTGATE_APPROLE_WRAPPING_PATH"),
                "remove_secret_id_file_after_reading": self._only(False),
            },
        )

    def _sink(self, value: Any, where: str) -> None:
        kind, inner = self._typed(value, where)
        if kind != "file":
            self.problems.append(f"{where}: the type {kind!r} is not supported: file is")
            return
        config: dict[str, Any] = {}
        keep: dict[str, Take] = {
            "path": lambda path, _: config.update(path=path),
            "mode": lambda mode, _: config.update(mode=mode),
        }
        self._walk(inner, where, {"config": lambda told, place: self._walk(told, place, keep)})
        path, mode = config.get("path"), config.get("mode", 0o600)
        if not isinstance(path, str) or not path.startswith("/"):
            self.problems.append(f"{where}.config.path must be the absolute path of a file")
        elif not isinstance(mode, int) or not 0 < mode <= _ALL_BITS:
            self.problems.append(f"{where}.config.mode must be permission bits as a number, such as 384 for 0600")
        else:
            self.sinks.append((path, mode))

    def _template(self, value: Any, where: str) -> None:
        stanza: dict[str, Any] = {}

        def keep(key: str) -> Take:
            return lambda told, _: stanza.update({key: told})

        self._walk(
            value,
            where,
            {
                **{key: keep(key) for key in ("source", "contents", "destination", "perms")},
                "create_dest_dirs": self._only(True),
                "error_on_missing_key": self._only(True),
                "left_delimiter": self._only("{{"),
                "right_delimiter": self._only("}}"),
            },
        )
        contents = stanza.get("contents")
        if (contents is None) == ("source" not in stanza):
            self.problems.append(f"{where} needs source or contents, one of them")
            return
        if contents is None:
            try:
                contents = self._read(str(stanza["source"]))
            except (OSError, UnicodeDecodeError) as error:
                self.problems.append(f"{where}.source: {stanza['source']} can't be read ({error})")
                return
        text, first = self._go_template(str(contents), where)
        if first is None:
            return
        ending = f"_AGENT{where.rpartition('[')[2].rstrip(']')}"
        self.texts |= {
            f"VAULT_SECRET_PATH{ending}": first,
            f"VAULT_SECRET_FILE{ending}": str(stanza.get("destination", "")),
            f"VAULTGATE_FILE{ending}_FORMAT": "template",
            f"VAULTGATE_FILE{ending}_TEMPLATE": text,
        }
        if "perms" in stanza:
            perms = stanza["perms"]
            # JSON has no octal numbers: 416 is what HCL's 0640 stands for; in a text the digits are octal.
            self.texts[f"VAULTGATE_FILE{ending}_MODE"] = f"{perms:04o}" if isinstance(perms, int) else str(perms)

    def _template_config(self, value: Any, where: str) -> None:
        self._walk(
            value,
            where,
            {
                "exit_on_retry_failure": self._start,
                "static_secret_render_interval": self._text("VAULT_DEFAULT_CACHE_TTL"),
            },
        )

    def _start(self, value: Any, where: str) -> None:
        """Whether what can't be written fails the init: always where files are written, unless another start is asked for."""
        starts = {"true": "ready", "false": "overlap"}
        said = starts.get(str(value).lower())
        if said is None:
            self.problems.append(f"{where} must be true or false")
        else:
            self.texts["VAULTGATE_START"] = said

    def _cache(self, value: Any, where: str) -> None:
        self._walk(value, where, {"use_auto_auth_token": self._only(True, why=_OWN_TOKEN)})

    def _listener(self, value: Any, where: str) -> None:
        kind, inner = self._typed(value, where)
        if kind != "tcp":
            self.problems.append(f"{where}: the type {kind!r} is not supported: tcp is")
            return
        self._walk(
            inner,
            where,
            {
                "address": self._text("VAULTGATE_LISTEN"),
                "tls_disable": self._only(True, why="the door is on loopback and speaks plain HTTP"),
                "require_request_header": self._only(True, why="VAULTGATE_GUARD says what a request has to show"),
            },
        )

    # --- pieces ---

    def _walk(self, value: Any, where: str, known: Mapping[str, Take]) -> None:
        """Hand each key of a stanza to whoever knows it."""
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not isinstance(value, dict):
            self.problems.append(f"{where or 'the file'} must be one object")
            return
        for key, inner in value.items():
            place = f"{where}.{key}" if where else key
            take = known.get(key)
            if take is None:
                self.problems.append(f"{place} is not supported")
            else:
                take(inner, place)

    def _each(self, take: Take) -> Take:
        """A stanza that may be there several times."""

        def every(value: Any, where: str) -> None:
            for number, one in enumerate(value if isinstance(value, list) else [value], start=1):
                take(one, f"{where}[{number}]")

        return every

    def _typed(self, value: Any, where: str) -> tuple[str | None, Any]:
        """A stanza's type, given as its label or by `type`, and the stanza without it."""
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not isinstance(value, dict):
            self.problems.append(f"{where} must be one object")
            return None, {}
        if "type" not in value and len(value) == 1:
            kind, inner = next(iter(value.items()))
            return str(kind), inner
        return str(value.get("type")), {key: inner for key, inner in value.items() if key != "type"}

    def _text(self, setting: str) -> Take:
        """A key that is a setting of ours."""

        def take(value: Any, where: str) -> None:
            if isinstance(value, bool):
                self.texts[setting] = "true" if value else "false"
            elif isinstance(value, str | int):
                self.texts[setting] = str(value)
            else:
                self.problems.append(f"{where} must be a text or a number")

        return take

    def _only(self, fine: object, why: str = "") -> Take:
        """A key for which only one value is what happens here."""

        def take(value: Any, where: str) -> None:
            if value != fine or isinstance(value, bool) != isinstance(fine, bool):
                reason = f": {why}" if why else ""
                self.problems.append(f"{where} can only be {json.dumps(fine)} here{reason}")

        return take

    def _go_template(self, text: str, where: str) -> tuple[str, str | None]:
        """A template in Consul Template's language as one of ours, and the first path it reads; None where it can't be."""
        wrong = len(self.problems)
        pieces: list[str] = []
        inside: list[str] = []
        first: str | None = None
        end, trim = 0, False
        for match in _ACTION.finditer(text):
            before = text[end : match.start()]
            before = before.lstrip() if trim else before
            pieces.append(before.rstrip() if match[1] else before)
            end, trim = match.end(), bool(match[3])
            opened, field = _WITH.fullmatch(match[2]), _FIELD.fullmatch(match[2]) or _INDEX.fullmatch(match[2])
            if opened:
                inside.append(opened[1])
                first = first or opened[1]
            elif match[2] == "end" and inside:
                inside.pop()
            elif field and inside:
                pieces.append(f"{{{{ {inside[-1]}#{field[1]} }}}}")
            else:
                self.problems.append(
                    f'{where}: {match[0]} is not supported: with secret "path", .Data.field, .Data.data.field, '
                    'index .Data.data "field" and end are'
                )
                if match[2].partition(" ")[0] in {"with", "if", "range"}:
                    inside.append("")  # so that its end is not another problem
        rest = text[end:]
        pieces.append(rest.lstrip() if trim else rest)
        if first is None and len(self.problems) == wrong:
            self.problems.append(f"{where} reads no secret")
        return "".join(pieces), first if len(self.problems) == wrong else None
