"""What a cold start imports: each module costs every sandbox its milliseconds, so a list says which may be there.

The list is import_budget.json: what Python's interpreter itself loads is taken off, `registering` is what the extension has
imported when it registers, `opening` what it adds before the door is open, `login` what the first login over TLS adds. It holds
what any of Python 3.11, 3.12 and 3.13 loads; one version may load less, none may load more.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.simulators.certificates import Authority
from tests.simulators.clock import MovableClock
from tests.simulators.extension import KEYS
from tests.simulators.loopback import loopback
from tests.simulators.vault import SERVER_ID, SimulatedVault, over_http

import vaultgate

if TYPE_CHECKING:
    from collections.abc import Iterator

BUDGET = json.loads(Path(__file__).with_name("import_budget.json").read_text(encoding="utf-8"))
PACKAGE = str(Path(vaultgate.__file__).parents[1])

# What the launcher runs, with eyes: it reports what is loaded at each of the three moments.
PROGRAM = """
import sys
before = set(sys.modules)
sys.path.append(sys.argv[1])
import vaultgate.__main__
registering = set(sys.modules)
import vaultgate.process
opening = set(sys.modules)
from vaultgate import config
from vaultgate.assembly import broker_of
from vaultgate.clock import Clock
from vaultgate.log import Log
import os
environ = dict(os.environ)
clock = Clock()
broker = broker_of(config.load(environ), environ, clock, Log(sys.stderr, "error", clock))
broker.token(clock.steady() + 20)
broker.close()
after = set(sys.modules)
moments = [("registering", registering - before), ("opening", opening - registering), ("login", after - opening)]
print("\\n".join(" ".join([name, *sorted(modules)]) for name, modules in moments))
"""


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A Vault over TLS, as the environment of an extension that logs in to it."""
    authority = Authority(tmp_path)
    with loopback(over_http(SimulatedVault(MovableClock())), authority.server("127.0.0.1")) as server:
        yield {
            **KEYS,
            "VAULT_ADDR": str(server.origin),
            "VAULT_CACERT": str(authority.certificate_file),
            "VAULT_AUTH_ROLE": "records",
            "VAULT_IAM_SERVER_ID": SERVER_ID,
        }


def loaded(environ: dict[str, str]) -> dict[str, set[str]]:
    """Modules by moment."""
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROGRAM, PACKAGE],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert run.returncode == 0, run.stderr
    moments = [line.split() for line in run.stdout.splitlines()]
    return {moment: set(modules) for moment, *modules in moments}


def test_nothing_beyond_the_budget(vault: dict[str, str]) -> None:
    """Neither registering nor opening the door nor the first login loads a module that the list doesn't name."""
    modules = loaded(vault)
    assert list(modules) == list(BUDGET)
    earlier: set[str] = set()
    for moment, names in BUDGET.items():
        # What one version loads at one moment another may load only later.
        assert sorted(modules[moment] - set(names) - earlier) == []
        earlier |= set(names)


def test_moments_are_what_they_say(vault: dict[str, str]) -> None:
    """TLS, hashes and the login itself come once the door is open, all but one module of C once Lambda has heard of us."""
    modules = loaded(vault)
    late = {"ssl", "hashlib", "hmac", "vaultgate.auth", "vaultgate.broker", "vaultgate.sigv4"}
    assert late <= modules["login"]
    assert {"json", "re", "socket", "threading", "vaultgate.config"} <= modules["opening"]


def test_budget_names_each_module_once() -> None:
    """The list is sorted, and what one moment has loaded is not in a later one's part."""
    for names in BUDGET.values():
        assert names == sorted(set(names))
    named = [name for names in BUDGET.values() for name in names]
    assert len(named) == len(set(named))


def test_budget_is_of_the_standard_library() -> None:
    """Nothing on the list comes from anywhere but Python itself and the layer."""
    roots = {name.partition(".")[0] for names in BUDGET.values() for name in names}
    assert roots <= sys.stdlib_module_names | {"vaultgate"}
