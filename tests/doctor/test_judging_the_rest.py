"""The layer, the extension, rotation and the mirror, judged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vaultgate_ops.doctor.catalogue import found
from vaultgate_ops.doctor.facts import ExtensionSeen, LayerSeen, MirrorSeen, RotationSeen
from vaultgate_ops.doctor.judges.beside import extension, layer, mirror, rotation
from vaultgate_ops.doctor.model import Verdict

BOTH = {"cpython-311": 57, "cpython-312": 57}
LAYER = LayerSeen("/opt", "there", "3.12.4", "cpython-312", 57, BOTH, promised=("3.11", "3.12"))
TOLD = "Python 3.12.4, bytecode for 57 of 57 modules"


def test_a_whole_layer() -> None:
    """Also one for a single version, without sources."""
    assert layer(LAYER) == Verdict(TOLD)
    bare = LayerSeen("/opt", "there", "3.12.4", "cpython-312", 0, {"cpython-312": 57}, bare=57)
    assert layer(bare) == Verdict(TOLD)


@pytest.mark.parametrize(
    ("changed", "name", "evidence"),
    [
        ({"launcher": "missing"}, "layer.missing", "there is no /opt/extensions/vaultgate"),
        ({"modules": 0}, "layer.missing", "there is no /opt/python/vaultgate"),
        ({"launcher": "not-executable"}, "layer.not-executable", "/opt/extensions/vaultgate has no x"),
        ({"python": ""}, "layer.no-python", "neither /var/lang/bin/python3 nor python3 on PATH"),
        ({"python": "3.10.1"}, "layer.old-python", "Python 3.10.1"),
        ({"modules": 0, "bare": 57, "compiled": {}}, "layer.other-python", "Python 3.12.4; 57 modules without sources"),
        ({"checked": 3}, "layer.checked-bytecode", "3 of 57 modules"),
        ({"promised": None}, "layer.no-manifest", "there is no /opt/vaultgate-layer.json that can be read"),
        (
            {"compiled": {"cpython-313": 57}, "promised": ("3.13", "3.14")},
            "layer.no-bytecode",
            "0 of 57 modules have bytecode of cpython-312; the manifest says: 3.13, 3.14",
        ),
        (
            {"compiled": {}, "promised": ()},
            "layer.no-bytecode",
            "0 of 57 modules have bytecode of cpython-312; the manifest says: none",
        ),
        (
            {"compiled": {"cpython-312": 56}},
            "layer.incomplete",
            "56 of 57 modules have bytecode of cpython-312; the manifest says: 3.11, 3.12",
        ),
    ],
)
def test_a_layer_that_is_not_whole(changed: dict[str, object], name: str, evidence: str) -> None:
    """What keeps it from starting, then what makes it start slowly."""
    seen = replace(LAYER, **changed)  # type: ignore[arg-type] - a table
    verdict = layer(seen)
    minor = ".".join(seen.python.split(".")[:2])
    assert verdict.findings == (found(name, "/opt", evidence, python=minor),)
    ours = seen.compiled.get("cpython-312", 0)
    assert verdict.told == f"Python {seen.python or '?'}, bytecode for {ours} of 57 modules".replace(
        "57 modules", f"{max(seen.modules, seen.bare)} modules"
    )


def test_the_oldest_python() -> None:
    """3.11 will do."""
    assert layer(replace(LAYER, python="3.11.0")).findings == ()
    assert layer(LAYER).passed


HEALTHY: dict[str, object] = {"logged_in": True, "leases_held": 1, "circuit": "closed"}


def test_a_running_extension() -> None:
    """Its own words."""
    assert extension(ExtensionSeen("127.0.0.1:8200", 200, HEALTHY)) == Verdict("logged in True, leases held 1, circuit closed")
    assert extension(ExtensionSeen("127.0.0.1:8200", 200, {"logged_in": True})).findings == ()


@pytest.mark.parametrize(
    ("status", "document", "words", "name", "evidence"),
    [
        (0, {}, "nobody listens", "extension.silent", "127.0.0.1:8200: nobody listens"),
        (403, {}, "no header", "extension.door", "no header"),
        (404, {}, "", "extension.stranger", "127.0.0.1:8200: status 404"),
        (200, {"initialized": True}, "", "extension.stranger", "127.0.0.1:8200: status 200"),
        (500, HEALTHY, "", "extension.stranger", "127.0.0.1:8200: status 500"),
        (200, {"logged_in": False}, "", "extension.logged-out", "logged in False"),
        (200, {"logged_in": True, "circuit": "open"}, "", "extension.circuit", "logged in True, circuit open"),
    ],
)
def test_an_extension_in_trouble(status: int, document: dict[str, object], words: str, name: str, evidence: str) -> None:
    """Silent, closed, somebody else's, without a token, or leaving Vault alone."""
    verdict = extension(ExtensionSeen("127.0.0.1:8200", status, document, words))
    assert verdict.findings == (found(name, "127.0.0.1:8200", evidence),)
    assert verdict.told == (words or evidence)


ROTATED = RotationSeen("app/db", enabled=True, function="arn:f", current=True)


def findings(seen: RotationSeen) -> list[tuple[str, str]]:
    """What is found, with its evidence."""
    return [(one.id, one.evidence) for one in rotation(seen).findings]


def test_a_rotation_in_order() -> None:
    """Enabled, nothing pending, nothing late; also one that another service of AWS does."""
    assert rotation(ROTATED) == Verdict("rotation enabled, no pending version")
    owned = replace(ROTATED, enabled=False, owner="rds")
    assert rotation(owned) == Verdict("rotation not enabled, no pending version")


@pytest.mark.parametrize(
    ("changed", "name", "evidence"),
    [
        ({"pending": "v1", "pending_s": 1800.0}, "rotation.stuck", "version v1 waits for 30 minutes"),
        ({"pending": "v1", "pending_s": 1799.0}, "rotation.under-way", "version v1 waits for 30 minutes"),
        ({"overdue_s": 5400.0}, "rotation.overdue", "1.5 hours late"),
        ({"overdue_s": 1.0}, "rotation.overdue", "0.0 hours late"),
        ({"current": False}, "rotation.no-current", "rotation enabled, no pending version"),
        ({"enabled": False}, "rotation.disabled", "rotation not enabled, no pending version"),
        ({"code": "missing", "words": "no such"}, "rotation.missing", "no such"),
        ({"code": "failed", "words": "no way"}, "rotation.failed", "no way"),
        ({"code": "refused", "words": "to be deleted"}, "rotation.refused", "to be deleted"),
    ],
)
def test_a_rotation_in_disorder(changed: dict[str, object], name: str, evidence: str) -> None:
    """Stuck, late, without a value, switched off, not there."""
    seen = replace(ROTATED, **changed)  # type: ignore[arg-type] - a table
    assert rotation(seen).findings == (found(name, "app/db", evidence, secret="app/db", function="arn:f"),)
    if seen.pending:
        assert rotation(seen).told == "rotation enabled, a pending version"
    if seen.code:
        assert rotation(seen).told == seen.words


def test_permissions_of_a_rotation() -> None:
    """Each action is named; what can't be looked at isn't judged."""
    refused = {"GetSecretValue": "no", "DescribeSecret": "not you"}
    verdict = rotation(RotationSeen("app/db", refused))
    actions = "secretsmanager:DescribeSecret, secretsmanager:GetSecretValue"
    evidence = "DescribeSecret: not you; GetSecretValue: no"
    filled = {"secret": "app/db", "function": "the rotation function", "actions": actions}
    assert verdict == Verdict("it can't be looked at", (found("rotation.denied", "app/db", evidence, **filled),))
    assert [name for name, _ in findings(RotationSeen("s", {"ListSecretVersionIds": "no"}))] == ["rotation.denied"]
    partly = replace(ROTATED, refused={"GetSecretValue": "no"}, overdue_s=60.0)
    assert [name for name, _ in findings(partly)] == ["rotation.denied", "rotation.overdue"]


MIRRORED = MirrorSeen("/log", running=True, lines=3, size=900, behind_s=59.4)
BEHIND = "running, 3 lines, 900 bytes, 59 s behind"


def test_a_mirror_at_work() -> None:
    """A minute behind is nothing."""
    assert mirror(MIRRORED) == Verdict(BEHIND)


@pytest.mark.parametrize(
    ("changed", "name", "evidence"),
    [
        ({"behind_s": 60.0}, "mirror.behind", "running, 3 lines, 900 bytes, 60 s behind"),
        ({"running": False, "behind_s": 90.0}, "mirror.stopped", "not running, 3 lines, 900 bytes, 90 s behind"),
        ({"problems": ("a gap",)}, "mirror.problem", "a gap"),
        ({"unreadable": "torn"}, "mirror.unreadable", "torn"),
    ],
)
def test_a_mirror_in_trouble(changed: dict[str, object], name: str, evidence: str) -> None:
    """Stopped, behind, with a gap, or not to be read."""
    seen = replace(MIRRORED, **changed)  # type: ignore[arg-type] - a table
    verdict = mirror(seen)
    assert verdict.findings == (found(name, "/log", evidence, path="/log"),)
    assert verdict.told == (evidence if name != "mirror.problem" else BEHIND)
