"""What is tried on real parts: who leaks and what is done about it, what a policy opens, where a session leads."""

from __future__ import annotations

import json
from contextlib import contextmanager, nullcontext
from fnmatch import fnmatchcase
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data
from tests.compare.fakes import NoTask
from tests.simulators.clock import MovableClock

from vaultgate_ops.clock import Clock
from vaultgate_ops.compare.access import Access
from vaultgate_ops.compare.cloud import Cloud
from vaultgate_ops.compare.contenders import VAULTS, entry
from vaultgate_ops.compare.decoys import USUAL, VAULT, Decoys
from vaultgate_ops.compare.experiments.blast_radius import BlastRadius
from vaultgate_ops.compare.ground import PATHS
from vaultgate_ops.compare.leaks import Leaks
from vaultgate_ops.compare.result import Tag
from vaultgate_ops.compare.run import LEDGER
from vaultgate_ops.compare.trails import Trails, invocations_of
from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.local.database import SCHEMA, TABLE
from vaultgate_ops.rotation.parameter_store import PENDING_ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vaultgate_ops.compare.contenders import Entry
    from vaultgate_ops.local.stack import Stack

LOGIN = {"RDS_USERNAME": "tries_env", "RDS_PASSWORD": "made-up-and-long"}


class Lent:
    """A ground of the tests' stack, whose sandboxes are only told of."""

    cloud: Any

    def __init__(self, stack: Stack) -> None:
        self.stack, self.clock, self.cloud = stack, Clock(), self
        self.sandboxes: set[str] = set()

    def environment(self, one: Entry) -> dict[str, str]:
        return LOGIN if one.store == "env" else self.stack.function_environment(0)

    def name(self, store: str) -> str:
        return f"vaultgate-compare-x-{store}"

    def warm(self, contender: str) -> None:
        self.sandboxes.add(contender)

    def drop(self, contender: str) -> None:
        self.sandboxes.discard(contender)


@pytest.fixture
def lent(stack: Stack) -> Any:
    return Lent(stack)


def leak(lent: Any, key: str) -> tuple[Callable[[], object], Any]:
    """A leak that has happened: what is done about it, and who knocks."""
    (case,) = (one for one in Leaks(lent).cases() if one.key == key)
    return case.copied()


def users(stack: Stack) -> set[str]:
    """Made by Vault, of the sessions that the database has."""
    with stack.database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT user FROM information_schema.processlist WHERE user LIKE 'v-%'")
        return {user for (user,) in cursor.fetchall()}


@pytest.mark.stack
def test_a_parameters_rotation_ends_a_leak_as_a_secrets_does(lent: Any, tmp_path: Path) -> None:
    """By the same code, with the older password's sessions; nothing is left of it, and AWS's account isn't touched."""
    lent.cloud = Cloud(lent.stack.aws.client, "tries", tmp_path / LEDGER)
    lent.access = Access(lent.stack.aws.client, {})
    rotate, probes = leak(lent, "ssm-drop_previous")
    assert probes["login"]()
    assert probes["session"]()
    rotate()
    assert not probes["login"]()
    assert not probes["session"]()
    with lent.stack.aws.client("ssm") as client:
        pages = client.get_paginator("describe_parameters").paginate()
        assert not [one for page in pages for one in page["Parameters"] if f"{PENDING_ROOT}/vaultgate-compare" in one["Name"]]
    assert len(lent.cloud.remove()) == 2, "the parameter and the rotator's secret"
    lent.access = Access(lent.stack.aws.client, {}, place="aws")
    with pytest.raises(CheckFailed, match="does not bear our tag"):
        leak(lent, "ssm-drop_previous")


@pytest.mark.stack
def test_the_token_that_is_revoked_is_the_one_that_read(lent: Any, eventually: Callable[[Callable[[], object]], None]) -> None:
    """It comes from a login with the function's role, as a sandbox's does; with it goes the user that was made for it."""
    before = users(lent.stack)
    revoke, probes = leak(lent, "vault-dynamic-revoke_token")
    (made,) = users(lent.stack) - before
    assert made.startswith("v-aws-"), "Vault names the user by the way of the login"
    assert probes["login"]()
    assert probes["session"]()
    revoke()
    eventually(lambda: not probes["login"]() and not probes["session"]())


@pytest.mark.stack
def test_a_variable_is_leaked_by_a_sandbox_that_is_really_ended(lent: Any) -> None:
    """The database, which is asked, knows nothing of it."""
    with lent.stack.database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE USER %s@'%%' IDENTIFIED BY %s REQUIRE SSL", (LOGIN["RDS_USERNAME"], LOGIN["RDS_PASSWORD"])
        )
        cursor.execute(f"GRANT SELECT ON {SCHEMA}.{TABLE} TO %s@'%%'", (LOGIN["RDS_USERNAME"],))
    lent.sandboxes = {"env.kms", "vault-kv.layer"}
    end, probes = leak(lent, "env-delete")
    assert lent.sandboxes == {"env.kms", "env.plain", "vault-kv.layer"}
    end()
    assert lent.sandboxes == {"vault-kv.layer"}
    assert probes["login"]()
    assert probes["session"]()


@pytest.mark.stack
def test_what_a_policy_opens_beside_a_store_s_own_secret_is_counted(lent: Any) -> None:
    """The policy of vault-config opens the function's three sources, which is told; strangers' it opens nowhere."""
    trials = {trial.key: trial for trial in Decoys(lent).trials()}
    experiment = BlastRadius(list(trials.values()))
    for store in VAULTS:
        for policy in ("shipped", "default"):
            seen = trials[f"{store}-{policy}"].readable()
            assert seen["own"]
            strangers, opens = experiment.conclude({"step": {f"{store}-{policy}": seen}})
            assert (strangers.name, strangers.value, strangers.samples) == (f"readable_{policy}", 0, len(VAULT))
            assert opens.name == f"opens_{policy}"
            assert opens.value == ", ".join(("its own secret", *(path for path in PATHS.values() if path != PATHS[store])))
    for store in USUAL:
        assert trials[f"{store}-shipped"].tag is Tag.COMPUTED
        assert trials[f"{store}-shipped"].readable() == {
            "own": True,
            "payments": False,
            "team/other": False,
            "prod/database": False,
        }


def test_the_wide_policies_are_aws_s_own() -> None:
    """Those that are named allow what is tried, on every resource, by moto's copy of them."""
    documents = json.loads(aws_managed_policies_data)
    for usual in USUAL.values():
        statements = [one for name in usual.managed for one in documents[name]["Document"]["Statement"] if one["Resource"] == "*"]
        patterns = [
            pattern for one in statements for pattern in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
        ]
        assert all(any(fnmatchcase(action, pattern) for pattern in patterns) for action in usual.actions)


def test_what_is_published_of_a_store_is_told_where_it_is_compared() -> None:
    """With the environment variable among the compared, and not without."""
    nowhere: Any = None
    experiment = BlastRadius(Decoys(nowhere).trials())

    def told(*contenders: str) -> set[tuple[str, str]]:
        steps = [one for one in experiment.steps([entry(name) for name in contenders]) if "-" not in one.key]
        seen = {step.key: experiment.observe(step, NoTask()) for step in steps}
        return {(one.contender, one.name) for one in experiment.conclude(seen)}

    assert told("env.plain", "ssm.boto3") == {("env", "decrypts"), ("ssm", "decrypts")}
    assert told("vault-kv.hvac") == set()


def test_an_invocation_is_found_by_the_database_user_in_the_function_s_log() -> None:
    """By lines that have both; what others wrote, or quoted, is nothing."""
    lines = [
        '{"level": "INFO", "user": "v-aws-a", "function_request_id": "one"}',
        '{"level": "INFO", "user": "v-aws-b", "function_request_id": "two"}',
        '{"level": "INFO", "user": "v-aws-a", "function_request_id": "three"}',
        '{"level": "INFO", "message": "v-aws-a", "function_request_id": "four"}',
        "START RequestId: v-aws-a",
        '{"user": "v-aws-a", ',
    ]
    log = "\n".join(lines)
    assert invocations_of("v-aws-a", log) == {"one", "three"}
    assert invocations_of("v-aws-c", log) == set()


class Traced:
    """A ground with one session of the database, of which so many reads and invocations are on record."""

    def __init__(self, reads: int, invocations: int) -> None:
        self.clock, self.stack, self.database, self.vault, self.aws = MovableClock(), self, self, self, self
        entry_of = {"type": "response", "response": {"data": {"username": "hmac"}}}
        self._entries = [json.dumps({**entry_of, "request": {"id": f"read-{turn}"}}) for turn in range(reads)]
        self._log = "\n".join(json.dumps({"user": "v-aws-a", "function_request_id": str(turn)}) for turn in range(invocations))

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        assert event["do"] == "records"
        return {"statusCode": 200}

    def log(self) -> str:
        return self._log

    @contextmanager
    def connect(self) -> Iterator[Any]:
        yield SimpleNamespace(
            cursor=lambda: nullcontext(SimpleNamespace(execute=lambda _: None, fetchall=lambda: [("v-aws-a",)]))
        )

    @contextmanager
    def client(self, service: str = "vault") -> Iterator[Any]:
        events = {"events": [{"message": entry} for entry in self._entries]}
        hashed = SimpleNamespace(calculate_hash=lambda **_: {"data": {"hash": "hmac"}})
        logs = SimpleNamespace(paginate=lambda **asked: [events] if asked["filterPattern"] == '"hmac"' else [])
        yield SimpleNamespace(sys=hashed) if service == "vault" else SimpleNamespace(get_paginator=lambda _: logs)


@pytest.mark.parametrize(("reads", "invocations", "traced"), [(1, 1, True), (2, 1, False), (1, 2, False), (1, 0, False)])
def test_a_session_that_leads_to_several_leads_nowhere(reads: int, invocations: int, traced: bool) -> None:  # noqa: FBT001 - a table
    """One read in Vault's log and one invocation in the function's: anything else is no trace."""
    ground: Any = Traced(reads, invocations)
    assert Trails(ground).led_back(ground) is traced


def test_a_session_of_which_vault_s_log_knows_nothing_is_a_failure() -> None:
    """It is waited for, and told; not taken for an answer."""
    ground: Any = Traced(0, 1)
    with pytest.raises(CheckFailed, match="did not arrive in CloudWatch Logs"):
        Trails(ground).led_back(ground)
