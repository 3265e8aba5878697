"""A function without a way out: which names time out, and what their addresses are, tells what is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from vaultgate_ops.local import preflight
from vaultgate_ops.local.paths import build_folder, checkout

if TYPE_CHECKING:
    from pathlib import Path


def test_a_vpc_without_a_way_out(tmp_path: Path) -> None:
    """No NAT, an endpoint that is closed, a missing route, a silent resolver, a half-dead name: told apart, in less than 30 s."""
    command = [*preflight.mount_namespace(os.environ), "--net", sys.executable, "-m", "tests.doctor.cut_off", str(tmp_path)]
    folders = f"{build_folder() / 'layer' / 'python'}:{checkout() / 'src'}:{checkout()}"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": folders}
    done = subprocess.run(command, cwd=checkout(), env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    found = {(one["id"], one["severity"], one["about"].rpartition(":")[0]) for one in report["findings"]}
    assert found == {
        ("tcp.no-way-out", "error", "Vault vault.test"),
        ("tcp.filtered", "error", "database db.test"),
        ("tcp.endpoint-closed", "note", "STS sts.test"),
        ("dns.timeout", "note", "Secrets Manager nobody-answers.test"),
        ("tcp.no-route", "note", "CloudWatch Logs logs.test"),
        ("tcp.one-address", "warning", "Vault two.test"),
        ("tls.silent", "error", "Vault two.test"),
        ("extension.silent", "error", "127.0.0.1"),
        ("layer.missing", "error", ""),
    }
    evidence = {one["id"]: one["evidence"] for one in report["findings"]}
    assert evidence["tcp.no-way-out"].startswith("52.94.1.2 (public): timeout after ")
    assert evidence["tcp.filtered"].startswith("10.9.9.9 (private): timeout after ")
    waiting = {one["check"]: one["told"] for one in report["checks"] if one["state"] == "not reached"}
    assert waiting["login"].startswith("because 'tcp Vault vault.test:")
    assert report["took_s"] < 30
