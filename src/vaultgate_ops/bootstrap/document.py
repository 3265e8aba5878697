"""The declarative file to `Desired`, or every problem at once.

Rules: nothing is looked up in Vault here. An unknown key, an unknown variable, a wrong type, a missing setting: each is a
finding with its line and, where there is one, the nearest valid name; all are raised together. A secret may stand only where
it won't be shown, and only as a variable: a password typed into the file is a finding too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vaultgate_ops.bootstrap import contents, mounts
from vaultgate_ops.bootstrap.model import Desired, Hidden, Resource
from vaultgate_ops.bootstrap.values import Mistyped
from vaultgate_ops.bootstrap.variables import Given, Variable, declared, nearest, resolve, substitute
from vaultgate_ops.bootstrap.yamlfile import Findings, parse
from vaultgate_ops.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from vaultgate_ops.bootstrap.kinds import Field, Kind

_SECTIONS: Final = ("variables", "audit", "policies", "password_policies", "auth", "secrets")
_BELOW_AUTH: Final = {"aws": ("client", "roles")}
_BELOW_SECRETS: Final = {"database": ("connections", "roles", "static_roles"), "kv": ("config", "seeds")}
_NAME: Final = re.compile(r"\w([\w./-]*\w)?", re.ASCII)
_NOT_OURS: Final = ("root", "default")


def load(
    path: Path,
    variables: Mapping[str, str],
    *,
    environment: Mapping[str, str] | None = None,
    on_command_line: bool = False,
) -> Desired:
    """Read what Vault must look like.

    Args:
        path: the YAML file; policies are found relative to it.
        variables: name to text, for the variables that the file declares; ``NAME_FILE`` names a file for a secret one.
        environment: where declared variables are looked for that ``variables`` doesn't have.
        on_command_line: ``variables`` stood on a command line; secrets among them are refused.

    Raises:
        UsageProblem: everything that is wrong, one line each.
    """
    raw, findings = parse(path)
    reading = _Reading(path.parent, findings)
    if not isinstance(raw, dict):
        findings.add((), "the file must be a mapping with the sections " + ", ".join(_SECTIONS))
        raw = {}
    for section in raw.keys() - set(_SECTIONS):
        findings.add((section,), f"unknown section{nearest(section, _SECTIONS)}")
    reading.known = declared(raw.get("variables"), findings)
    reading.resolved = resolve(reading.known, Given(variables, environment or {}, on_command_line), findings)
    resources = (
        *reading.audit(raw.get("audit")),
        *reading.policies(raw.get("policies")),
        *reading.password_policies(raw.get("password_policies")),
        *reading.auth(raw.get("auth")),
        *reading.secrets(raw.get("secrets")),
    )
    if findings.found:
        count = len(findings.found)
        raise UsageProblem(
            f"{path} can't be used, {count} problem{'' if count == 1 else 's'}:{findings.text()}",
            "correct them and run again; docs/bootstrap.md describes the file and its variables",
        )
    return Desired(resources)


@dataclass
class _Reading:
    """One pass over the file."""

    folder: Path
    findings: Findings
    known: dict[str, Variable] = field(default_factory=dict)
    resolved: dict[str, object] = field(default_factory=dict)

    def audit(self, raw: object) -> Iterator[Resource]:
        for name, spec, where in self._named(raw, ("audit",)):
            flat = self._flat(spec, "options", where)
            yield self._resource(mounts.AUDIT_DEVICE, f"sys/audit/{name}", flat, where)

    def policies(self, raw: object) -> Iterator[Resource]:
        for name, file, where in self._named(raw, ("policies",), mappings=False, folded=True):
            if name in _NOT_OURS:
                self.findings.add(where, f"the policy {name} is Vault's own")
            yield from self._file(contents.POLICY, f"sys/policies/acl/{name}", file, where)

    def password_policies(self, raw: object) -> Iterator[Resource]:
        for name, file, where in self._named(raw, ("password_policies",), mappings=False):
            yield from self._file(contents.PASSWORD_POLICY, f"sys/policies/password/{name}", file, where)

    def _file(self, kind: Kind, path: str, file: object, where: tuple[str, ...]) -> Iterator[Resource]:
        """A resource whose one field is a file's text, verbatim: the same file works with Vault's own command."""
        if not isinstance(file, str):
            self.findings.add(where, "must be the path of an .hcl file, relative to this one")
            return
        try:
            text = (self.folder / file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            self.findings.add(where, f"{self.folder / file} can't be read: {reason}")
            return
        yield Resource(kind, path, {"policy": kind.fields["policy"].type.declared(text)})

    def auth(self, raw: object) -> Iterator[Resource]:
        for name, spec, where in self._named(raw, ("auth",)):
            mount, below = self._mount(mounts.AUTH_METHOD, f"sys/auth/{name}", spec, where, _BELOW_AUTH)
            yield mount
            if "client" in below:
                yield self._resource(
                    contents.AWS_CLIENT, f"auth/{name}/config/client", below["client"], (*where, "client"), mount.path
                )
            for role, role_spec, role_where in self._named(below.get("roles"), (*where, "roles"), folded=True):
                yield self._resource(contents.AWS_ROLE, f"auth/{name}/role/{role}", role_spec, role_where, mount.path)

    def secrets(self, raw: object) -> Iterator[Resource]:
        for name, spec, where in self._named(raw, ("secrets",)):
            mount, below = self._mount(mounts.SECRETS_ENGINE, f"sys/mounts/{name}", spec, where, _BELOW_SECRETS)
            yield mount
            for key, kind, folder in (
                ("connections", contents.DATABASE_CONNECTION, "config"),
                ("roles", contents.DATABASE_ROLE, "roles"),
                ("static_roles", contents.STATIC_ROLE, "static-roles"),
            ):
                for inner, inner_spec, inner_where in self._named(below.get(key), (*where, key)):
                    yield self._resource(kind, f"{name}/{folder}/{inner}", inner_spec, inner_where, mount.path)
            if "config" in below:
                yield self._resource(contents.KV_CONFIG, f"{name}/config", below["config"], (*where, "config"), mount.path)
            for inner, inner_spec, inner_where in self._named(below.get("seeds"), (*where, "seeds")):
                seed = {"data": Hidden(self._substituted(inner_spec, inner_where))}
                yield Resource(contents.KV_SEED, f"{name}/data/{inner}", seed, mount.path)

    def _mount(
        self, kind: Kind, path: str, spec: object, where: tuple[str, ...], below: Mapping[str, tuple[str, ...]]
    ) -> tuple[Resource, dict[str, object]]:
        """A mount and the sections below it that its type has."""
        flat = self._flat(spec, "tune", where)
        mount_type = flat.get("type")
        if mount_type is not None and mount_type not in below:
            valid = ", ".join(below)
            self.findings.add((*where, "type"), f"bootstrap keeps {valid} here{nearest(str(mount_type), below)}")
        sections = below.get(str(mount_type), ())
        inner = {key: flat.pop(key) for key in sections if key in flat}
        if mount_type == "kv" and "options" in flat:
            flat = self._flat(flat, "options", where)
        return self._resource(kind, path, flat, where, extra=(*sections, "tune")), inner

    def _resource(  # noqa: PLR0917 - the parts of a resource, always given in this order
        self,
        kind: Kind,
        path: str,
        spec: object,
        where: tuple[str, ...],
        mount: str = "",
        extra: tuple[str, ...] = (),
    ) -> Resource:
        """Check one mapping against its kind."""
        values: dict[str, object] = {}
        if not isinstance(spec, dict):
            self.findings.add(where, f"must be a mapping: the fields of the {kind.label}")
            return Resource(kind, path, values, mount)
        for name, raw in spec.items():
            at = (*where, name)
            known = kind.fields.get(name)
            if known is None:
                self.findings.add(at, f"unknown key of the {kind.label}{nearest(name, [*kind.fields, *extra])}")
                continue
            value = self._substituted(raw, at)
            if value is None:
                if raw is None:
                    self.findings.add(at, "has no value")
                continue
            checked = self._checked(known, value, at)
            if checked is not None:
                values[name] = checked
        for name, known in kind.fields.items():
            if known.required and name not in spec:
                self.findings.add(where, f"the {kind.label} needs {name}")
        if kind.one_of and len(kind.one_of & spec.keys()) != 1:
            self.findings.add(where, f"the {kind.label} needs one of {' and '.join(sorted(kind.one_of))}")
        return Resource(kind, path, values, mount)

    def _checked(self, known: Field, value: object, at: tuple[str, ...]) -> object:
        """Normal form of one value, None where it is a finding."""
        secret = _has_secret(value)
        if known.hidden and not secret:
            self.findings.add(at, "a secret doesn't belong in this file: write ${VARIABLE} and declare it with secret: true")
            return None
        if secret and not known.hidden:
            self.findings.add(at, "a secret variable doesn't belong here: this setting is shown in diffs")
            return None
        try:
            if isinstance(value, Hidden):
                return Hidden(known.type.declared(value.reveal()))
            normal = known.type.declared(value)
        except Mistyped as wanted:
            # As it would be shown in a diff: even a mistake may have a password in it.
            shown = known.type.shown(value) if isinstance(value, str) else value
            self.findings.add(at, f"must be {wanted}" + ("" if known.hidden else f", not {shown!r}"))
            return None
        if known.choices and normal not in known.choices:
            near = nearest(str(normal), known.choices)
            self.findings.add(at, f"must be {' or '.join(known.choices)}, not {normal!r}{near}")
            return None
        return normal

    def _substituted(self, raw: object, at: tuple[str, ...]) -> object:
        if isinstance(raw, list):
            items = [self._substituted(item, at) for item in raw]
            return None if any(item is None for item in items) else items
        if isinstance(raw, dict):
            return {key: self._substituted(value, (*at, key)) for key, value in raw.items()}
        return substitute(
            raw,
            self.known,
            self.resolved,
            lambda name: self.findings.add(at, f"unknown variable {name}{nearest(name, self.known)}"),
        )

    def _flat(self, spec: object, nested: str, where: tuple[str, ...]) -> dict[str, object]:
        """Lift the fields of ``tune`` or ``options`` beside the others: that is only Vault's way to send them."""
        flat = dict(spec) if isinstance(spec, dict) else {}
        inner = flat.pop(nested, {})
        if not isinstance(inner, dict):
            self.findings.add((*where, nested), "must be a mapping")
            inner = {}
        for key, value in inner.items():
            self.findings.lifted[*where, key] = (*where, nested, key)
            flat[key] = value
        return flat

    def _named(
        self, raw: object, where: tuple[str, ...], *, mappings: bool = True, folded: bool = False
    ) -> Iterator[tuple[str, object, tuple[str, ...]]]:
        """Go through a section: names, what stands below each, and where."""
        if raw is None:
            return
        if not isinstance(raw, dict):
            self.findings.add(where, "must be a mapping of names")
            return
        for name, spec in raw.items():
            at = (*where, name)
            if not _NAME.fullmatch(name):
                self.findings.add(at, "a name has letters, digits and _, and within it also - . /")
            elif folded and name != name.lower():
                self.findings.add(at, f"Vault keeps this name in small letters: write {name.lower()}")
            if mappings and not isinstance(spec, dict):
                self.findings.add(at, "must be a mapping")
                continue
            yield name, spec, at


def _has_secret(value: object) -> bool:
    return isinstance(value, Hidden) or (isinstance(value, list) and any(_has_secret(item) for item in value))
