"""The file that says which of Vault's values go where.

Rules: every problem at once, each with its line; a key that doesn't exist is one. Names are checked by the services' own rules,
and paths may have no letter that a tag can't hold, because a target's tags say where its value came from. No value is in it.
Source: API references of Secrets Manager (CreateSecret: Name), Systems Manager (PutParameter: Name), both (Tag).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from vaultgate_ops.bootstrap.variables import nearest
from vaultgate_ops.bootstrap.yamlfile import Findings, parse
from vaultgate_ops.errors import UsageProblem
from vaultgate_ops.sync.model import Entry, Kind, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SECTIONS = ("secretsmanager", "ssm")
_FIELDS = {
    "secretsmanager": ("mount", "path", "field", "kms_key"),
    "ssm": ("mount", "path", "field", "kms_key", "tier"),
}
_TIERS = {"standard": Kind.PARAMETER, "advanced": Kind.ADVANCED}
_LONGEST_TAG, _DEEPEST = 256, 15
_TAGGABLE = re.compile(r"[A-Za-z0-9 _.:/=+@-]+", re.ASCII)
_OWNER = re.compile(r"[A-Za-z0-9_.:/=+@-]{1,128}", re.ASCII)
_SECRET = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}", re.ASCII)
_PARAMETER = re.compile(r"(/[A-Za-z0-9_.-]+)+|[A-Za-z0-9_.-]+", re.ASCII)
_LONGEST_PARAMETER = 1011
_RESERVED = re.compile(r"/?(aws|ssm)", re.IGNORECASE)
_KEY = re.compile(
    r"alias/[A-Za-z0-9/_-]{1,250}|[0-9A-Za-z-]{36,40}|arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[A-Za-z0-9/_-]+",
    re.ASCII,
)


def load(path: Path) -> Wanted:
    """Read and check a file.

    Raises:
        UsageProblem: it can't be read, or with everything that is wrong with it.
    """
    document, findings = parse(path, hint="name the file that says what goes where")
    wanted = _Reader(findings).read(document)
    if findings.found:
        raise UsageProblem(f"{path} can't be used:{findings.text()}", "correct the file; docs/rotation.md describes it")
    return wanted


class _Reader:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def read(self, document: object) -> Wanted:
        if not isinstance(document, dict):
            self._findings.add((), "the file must be a mapping: owner, secretsmanager, ssm")
            return Wanted("", ())
        for name in document.keys() - {"owner", *_SECTIONS}:
            self._findings.add((name,), f"unknown key{nearest(name, ['owner', *_SECTIONS])}")
        owner = document.get("owner")
        if not isinstance(owner, str) or not _OWNER.fullmatch(owner):
            self._findings.add(("owner",), "owner must be a word for whoever owns these targets; it becomes their tag")
        entries = [entry for section in _SECTIONS for entry in self._entries(section, document.get(section) or {})]
        if not entries and not self._findings.found:
            self._findings.add((), "there is nothing to sync: secretsmanager and ssm are both empty")
        return Wanted(str(owner), tuple(entries))

    def _entries(self, section: str, named: object) -> Iterator[Entry]:
        if not isinstance(named, dict):
            self._findings.add((section,), "must be a mapping of targets' names")
            return
        for name, spec in named.items():
            at = (section, name)
            if not isinstance(spec, dict):
                self._findings.add(at, "must be a mapping: mount, path")
                continue
            self._check_name(section, name, at)
            for key in spec.keys() - set(_FIELDS[section]):
                self._findings.add((*at, key), f"unknown key{nearest(key, _FIELDS[section])}")
            tier = spec.get("tier", "standard")
            if not isinstance(tier, str) or tier not in _TIERS:
                self._findings.add((*at, "tier"), f"must be {' or '.join(_TIERS)}")
            key = spec.get("kms_key", "")
            if not isinstance(key, str) or (key and not _KEY.fullmatch(key)):
                self._findings.add((*at, "kms_key"), "must be a key's id or ARN, or alias/<name>")
            mount, path = self._place(spec, "mount", at).strip("/"), self._place(spec, "path", at).strip("/")
            field = self._place(spec, "field", at) if "field" in spec else ""
            kind = Kind.SECRET if section == "secretsmanager" else _TIERS.get(str(tier), Kind.PARAMETER)
            entry = Entry(mount, path, field, kind, name, str(key))
            if len(entry.source) > _LONGEST_TAG:
                self._findings.add(at, f"mount and path together are longer than the {_LONGEST_TAG} letters of a tag")
            yield entry

    def _place(self, spec: dict[str, Any], name: str, at: tuple[str, ...]) -> str:
        """A mount, a path or a field's name."""
        text = spec.get(name)
        if name not in spec:
            self._findings.add(at, f"needs {name}")
            return ""
        if not isinstance(text, str) or not _TAGGABLE.fullmatch(text) or len(text) > _LONGEST_TAG:
            self._findings.add(
                (*at, name), "must be a text of letters, digits, spaces and _ . : / = + - @, as tags may have them"
            )
            return ""
        parts = text.strip("/").split("/")
        if name != "field" and any(part in {"", ".", ".."} for part in parts):
            self._findings.add((*at, name), "has an empty part, or one of dots")
        if name == "path" and parts[0] == "data":
            self._findings.add((*at, name), "is the path of the command line (vault kv get): leave data/ out")
        return text

    def _check_name(self, section: str, name: str, at: tuple[str, ...]) -> None:
        if section == "secretsmanager":
            if "!" in name:
                self._findings.add(at, "such names belong to secrets that another service of AWS manages")
            elif not _SECRET.fullmatch(name):
                self._findings.add(at, "a secret's name has letters, digits and / _ + = . @ -, at most 512")
            return
        if _RESERVED.match(name):
            self._findings.add(at, "names that begin with aws or ssm are AWS's own")
        elif not _PARAMETER.fullmatch(name) or len(name) > _LONGEST_PARAMETER or name.count("/") > _DEEPEST:
            self._findings.add(
                at, "a parameter's name has letters, digits and _ . -, in at most 15 levels that each begin with /"
            )
