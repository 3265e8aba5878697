"""The trial of promise 12: rotations with random gaps between them, while clients use what is current.

Rules: the secret reads consistently here, so a refusal counts when the value was AWSCURRENT as the login was sent and still is
when it is refused; the function is reached through AWS's emulator, and its idle sessions are killed all the time, so that it
has to log in again and again with what it has kept. `single` runs beside the others, to show that the trial sees a window.
"""

from __future__ import annotations

import json
import logging
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pymysql
from tests.simulators.gateway import GET_RECORDS

from vaultgate_ops.clock import Clock
from vaultgate_ops.rotation.load import Background, Figures, Logins

if TYPE_CHECKING:
    from tests.rotation.bed import Bed, User

    from vaultgate_ops.local.sandbox import Sandbox

logger = logging.getLogger(__name__)
WITHOUT_WINDOW = ("dual", "alternating")
_GET_EVERY_S, _KILL_EVERY_S = 0.2, 0.3
_IDLE = "SELECT id FROM information_schema.processlist WHERE user LIKE %s AND db = 'shop' AND command = 'Sleep' AND time_ms > 80"


@dataclass
class Outcome:
    """What one strategy's trial came to.

    Attributes:
        figures: of the logins.
        answers: of GET /records, how many of each kind: a status, with the body where it isn't 200.
        killed: sessions of the function's.
    """

    figures: Figures
    answers: dict[str, int] = field(default_factory=dict)
    killed: int = 0


def trial(bed: Bed, rotations: int, longest_gap_s: float) -> dict[str, Outcome]:
    """Run all three strategies side by side; gives what each came to.

    Args:
        bed: where the users grow.
        rotations: of each.
        longest_gap_s: between two rotations; each is drawn anew.
    """
    strategies = (*WITHOUT_WINDOW, "single")
    users = {strategy: bed.user(strategy) for strategy in strategies}
    with ThreadPoolExecutor(len(strategies)) as pool:
        runs = {strategy: pool.submit(_run, bed, users[strategy], strategy, rotations, longest_gap_s) for strategy in strategies}
        outcomes = {strategy: run.result() for strategy, run in runs.items()}
    for line in table(outcomes, rotations):
        logger.info(line)
    return outcomes


def table(outcomes: dict[str, Outcome], rotations: int) -> list[str]:
    """The outcomes as lines."""
    lines = [f"{rotations} rotations    logins  failed  window per rotation   GET /records  not 200"]
    for strategy, outcome in outcomes.items():
        figures, answers = outcome.figures, sum(outcome.answers.values())
        window_ms = 1000 * figures.window_s / rotations
        bad = answers - outcome.answers.get("200", 0)
        lines.append(f"{strategy:<14}{figures.logins:>8}{figures.failed:>8}{window_ms:>16.1f} ms{answers:>15}{bad:>9}")
    return lines


def _run(bed: Bed, user: User, strategy: str, rotations: int, longest_gap_s: float) -> Outcome:
    clock, chance = Clock(), secrets.SystemRandom()
    logins = Logins(lambda: user.current, user.login, clock)
    outcome = Outcome(logins.figures)
    with ExitStack() as background:
        background.enter_context(logins)
        if strategy in WITHOUT_WINDOW:
            sandbox = background.enter_context(_sandbox(bed, user))
            root = background.enter_context(bed.stack.database.connect())

            def get() -> None:
                answer = sandbox.invoke(GET_RECORDS)
                said = str(answer.get("statusCode"))
                said = said if said == "200" else f"{said}: {json.dumps(answer)}"
                outcome.answers[said] = outcome.answers.get(said, 0) + 1

            def kill() -> None:
                with root.cursor() as cursor:
                    cursor.execute(_IDLE, (f"{user.name}%",))
                    for (session,) in cursor.fetchall():
                        with suppress(pymysql.OperationalError):  # it ended by itself meanwhile
                            cursor.execute("KILL SOFT CONNECTION %s", (session,))
                            outcome.killed += 1

            get()  # its init is not what is tried here
            background.enter_context(Background(get, clock, _GET_EVERY_S))
            background.enter_context(Background(kill, clock, _KILL_EVERY_S))
        for _ in range(rotations):
            clock.sleep(chance.uniform(0, longest_gap_s))
            user.rotate()
    return outcome


def _sandbox(bed: Bed, user: User) -> Sandbox:
    variables: dict[str, Any] = {
        "CREDENTIAL_SOURCE": "secretsmanager",
        "SECRET_NAME": user.secret,
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": bed.amazon.endpoint,
    }
    return bed.stack.sandbox(variables)
