"""What stands beside the way to a secret: the layer, a running extension, rotation, the audit mirror.

Rules: pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaultgate_ops.doctor.catalogue import found
from vaultgate_ops.doctor.model import Verdict

if TYPE_CHECKING:
    from vaultgate_ops.doctor.facts import ExtensionSeen, LayerSeen, MirrorSeen, RotationSeen
    from vaultgate_ops.doctor.model import Finding

OLDEST_PYTHON = (3, 11)
STUCK_S, BEHIND_S = 1800.0, 60.0
"""A rotation takes seconds, with all of Secrets Manager's retries minutes; a mirror is a second behind, or two."""
_OK, _FORBIDDEN = 200, 403


def layer(seen: LayerSeen) -> Verdict:
    """The layer's files and the interpreter that will load them."""
    ours = seen.compiled.get(seen.tag, 0)
    told = f"Python {seen.python or '?'}, bytecode for {ours} of {max(seen.modules, seen.bare)} modules"
    name, evidence = _start(seen) or _bytecode(seen, ours)
    if not name:
        return Verdict(told)
    minor = ".".join(seen.python.split(".")[:2])
    return Verdict(told, (found(name, seen.folder, evidence, python=minor),))


def _start(seen: LayerSeen) -> tuple[str, str] | None:
    """Why the extension can't be started; None if it can."""
    if seen.launcher == "missing":
        return "layer.missing", f"there is no {seen.folder}/extensions/vaultgate"
    if not (seen.modules or seen.bare):
        return "layer.missing", f"there is no {seen.folder}/python/vaultgate"
    if seen.launcher == "not-executable":
        return "layer.not-executable", f"{seen.folder}/extensions/vaultgate has no x"
    if not seen.python:
        return "layer.no-python", "neither /var/lang/bin/python3 nor python3 on PATH"
    if _version(seen.python) < OLDEST_PYTHON:
        return "layer.old-python", f"Python {seen.python}"
    return None


def _bytecode(seen: LayerSeen, ours: int) -> tuple[str, str]:
    """What is wrong with the bytecode; empty for nothing."""
    if not seen.modules:
        return ("", "") if ours else ("layer.other-python", f"Python {seen.python}; {seen.bare} modules without sources")
    if seen.checked:
        return "layer.checked-bytecode", f"{seen.checked} of {seen.modules} modules"
    if seen.promised is None:
        return "layer.no-manifest", f"there is no {seen.folder}/vaultgate-layer.json that can be read"
    if ours < seen.modules:
        name = "layer.incomplete" if ".".join(seen.python.split(".")[:2]) in seen.promised else "layer.no-bytecode"
        promised = ", ".join(seen.promised) or "none"
        return name, f"{ours} of {seen.modules} modules have bytecode of {seen.tag}; the manifest says: {promised}"
    return "", ""


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])


def extension(seen: ExtensionSeen) -> Verdict:
    """A running extension's own words."""
    about = seen.listen
    if not seen.status:
        return Verdict(seen.words, (found("extension.silent", about, f"{seen.listen}: {seen.words}"),))
    if seen.status == _FORBIDDEN:
        return Verdict(seen.words, (found("extension.door", about, seen.words),))
    health = seen.document
    if seen.status != _OK or "logged_in" not in health:
        evidence = f"{seen.listen}: status {seen.status}"
        return Verdict(evidence, (found("extension.stranger", about, evidence),))
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in health.items())
    findings: list[Finding] = []
    if health.get("circuit", "closed") != "closed":
        findings.append(found("extension.circuit", about, told))
    if not health["logged_in"]:
        findings.append(found("extension.logged-out", about, told))
    return Verdict(told, tuple(findings))


def rotation(seen: RotationSeen) -> Verdict:
    """One secret's rotation."""
    about, filled = seen.secret, {"secret": seen.secret, "function": seen.function or "the rotation function"}
    if seen.code:
        return Verdict(seen.words, (found(f"rotation.{seen.code}", about, seen.words, **filled),))
    findings: list[Finding] = []
    if seen.refused:
        evidence = "; ".join(f"{operation}: {words}" for operation, words in sorted(seen.refused.items()))
        actions = ", ".join(f"secretsmanager:{operation}" for operation in sorted(seen.refused))
        findings.append(found("rotation.denied", about, evidence, **filled, actions=actions))
    if "DescribeSecret" in seen.refused or "ListSecretVersionIds" in seen.refused:
        return Verdict("it can't be looked at", tuple(findings))
    told = f"rotation {'enabled' if seen.enabled else 'not enabled'}, {'a' if seen.pending else 'no'} pending version"
    if not seen.current:
        findings.append(found("rotation.no-current", about, told, **filled))
    if seen.pending:
        name = "rotation.stuck" if seen.pending_s >= STUCK_S else "rotation.under-way"
        findings.append(found(name, about, f"version {seen.pending} waits for {seen.pending_s / 60:.0f} minutes", **filled))
    if not seen.enabled and not seen.owner:
        findings.append(found("rotation.disabled", about, told, **filled))
    if seen.overdue_s > 0:
        findings.append(found("rotation.overdue", about, f"{seen.overdue_s / 3600:.1f} hours late", **filled))
    return Verdict(told, tuple(findings))


def mirror(seen: MirrorSeen) -> Verdict:
    """One device's mirror."""
    about, filled = seen.path, {"path": seen.path}
    if seen.unreadable:
        return Verdict(seen.unreadable, (found("mirror.unreadable", about, seen.unreadable),))
    told = f"{'running' if seen.running else 'not running'}, {seen.lines} lines, {seen.size} bytes, {seen.behind_s:.0f} s behind"
    findings = [found("mirror.problem", about, problem, **filled) for problem in seen.problems]
    if not seen.running:
        findings.append(found("mirror.stopped", about, told, **filled))
    elif seen.behind_s >= BEHIND_S:
        findings.append(found("mirror.behind", about, told, **filled))
    return Verdict(told, tuple(findings))
