"""The trial of promise 12 on the real server: all strategies side by side, the function behind AWS's emulator.

Rules: the secret reads consistently here, so a refusal counts when the value was AWSCURRENT as the login was sent and still is
when it is refused; the function's idle sessions are killed all the time, so that it has to log in again and again with what it
has kept. `single` runs beside the others, to show that the trial sees a window.
"""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pymysql

from vaultgate_ops.clock import Clock
from vaultgate_ops.local.proxy_events import GET_RECORDS
from vaultgate_ops.rotation.load import Background
from vaultgate_ops.rotation.trial import WITHOUT_WINDOW, Outcome, Subject, run, table

if TYPE_CHECKING:
    from tests.rotation.bed import Bed, User

    from vaultgate_ops.local.sandbox import Sandbox

logger = logging.getLogger(__name__)
_KILL_EVERY_S = 0.3
# The function's sessions are the ones with a schema; the poller's have none.
_IDLE = "SELECT id FROM information_schema.processlist WHERE user LIKE %s AND db = 'shop' AND command = 'Sleep' AND time_ms > 80"


def trial(bed: Bed, rotations: int, longest_gap_s: float) -> tuple[dict[str, Outcome], int]:
    """Run all three strategies side by side; gives what each came to, and how many sessions of the function's were killed.

    Args:
        bed: where the users grow.
        rotations: of each.
        longest_gap_s: between two rotations.
    """
    clock, killed = Clock(), 0
    users = {strategy: bed.user(strategy) for strategy in (*WITHOUT_WINDOW, "single")}
    with ExitStack() as background, ThreadPoolExecutor(len(users)) as pool:
        runs = {}
        root = background.enter_context(bed.stack.database.connect())

        def kill() -> None:
            nonlocal killed
            with root.cursor() as cursor:
                for strategy in WITHOUT_WINDOW:
                    cursor.execute(_IDLE, (f"{users[strategy].name}%",))
                    for (session,) in cursor.fetchall():
                        with suppress(pymysql.OperationalError):  # it ended by itself meanwhile
                            cursor.execute("KILL SOFT CONNECTION %s", (session,))
                            killed += 1

        background.enter_context(Background(kill, clock, _KILL_EVERY_S))
        for strategy, user in users.items():
            sandbox = background.enter_context(_sandbox(bed, user)) if strategy in WITHOUT_WINDOW else None
            runs[strategy] = pool.submit(run, _subject(user, sandbox), rotations, longest_gap_s, clock)
        outcomes = {strategy: one.result() for strategy, one in runs.items()}
    for line in table(outcomes):
        logger.info(line)
    return outcomes, killed


def _subject(user: User, sandbox: Sandbox | None) -> Subject:
    def get(of: Sandbox) -> str:
        answer = of.invoke(GET_RECORDS)
        status = str(answer.get("statusCode"))
        return status if status == "200" else f"{status}: {json.dumps(answer)}"

    asked = None if sandbox is None else (lambda: get(sandbox))
    return Subject(lambda: user.current, user.login, user.rotate, asked)


def _sandbox(bed: Bed, user: User) -> Sandbox:
    variables = {
        "CREDENTIAL_SOURCE": "secretsmanager",
        "SECRET_NAME": user.secret,
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": bed.amazon.endpoint,
    }
    return bed.stack.sandbox(variables)
