"""The files' outlet: secrets where a program that knows nothing of Vault finds them.

Rules: everything is fetched in parallel, by the broker, so that proxy and files share leases; seen to at the beginning and
at every INVOKE, never by a timer that a freeze would stop; a reader finds the old file or the new one; what can't be
refreshed stays as it is, but a credential whose lease is over is taken away; nothing is left after `remove`.
"""

from __future__ import annotations

import threading

from vaultgate.cache import path_below, ttl_without_lease
from vaultgate.disk import place, take_away
from vaultgate.errors import Denied, NotFound, VaultgateError
from vaultgate.leases import Lifetime, due
from vaultgate.model import Request
from vaultgate.rendering import explain, render
from vaultgate.vault import document_of, meaning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from vaultgate.broker import Broker
    from vaultgate.clock import Clock, Instant
    from vaultgate.config import Config
    from vaultgate.file_plan import FilePlan
    from vaultgate.log import Log

_AT_ONCE = 8
# After a failure invocations go by for this long before the next try, so that a Vault that is away doesn't slow each of them.
_AGAIN_S = 5.0
# And no try lasts longer: Next waits for it, and the time is billed.
_REFRESH_S = 5.0


class _Held:
    """What a path gave last, and how long that is good for."""

    __slots__ = ("document", "leased", "lifetime")

    def __init__(self, document: dict[str, Any], lifetime: Lifetime, *, leased: bool) -> None:
        self.document = document
        self.lifetime = lifetime
        self.leased = leased

    def due(self, now: Instant) -> bool:
        """Whether to ask again: for a lease early, which costs nothing where the broker has renewed it, else at the end."""
        return due(self.lifetime, now) if self.leased else self.lifetime.over(now)

    def says(self, other: dict[str, Any]) -> bool:
        """Whether another answer says the same; each has its own request id."""
        return {**self.document, "request_id": None} == {**other, "request_id": None}


class Files:
    """Writes the files of a plan, and keeps them true. `tick` and `write` are for one thread, `remove` for any.

    Args:
        plans: what goes where; at least one.
        broker: answers reads.
        config: how long what has no lease is good for.
    """

    def __init__(self, plans: tuple[FilePlan, ...], broker: Broker, config: Config, clock: Clock, log: Log) -> None:
        self._plans = plans
        self._targets = sorted({target for plan in plans for target in plan.targets})
        self._broker = broker
        self._config = config
        self._clock = clock
        self._log = log
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._stale: set[str] = set()
        self._failed: dict[str, Instant] = {}
        self._folders: list[str] = []
        self._removed = False
        self._busy: threading.Thread | None = None

    def write(self, deadline: float) -> None:
        """Fetch every secret and write every file.

        Raises:
            VaultgateError: with all that failed, of the kind of the first failure.
        """
        failures = self._update(self._targets, deadline)
        if failures:
            first = failures[0]
            raise first if len(failures) == 1 else _joined(first, failures)

    def tick(self, changed: Iterable[str]) -> threading.Thread | None:
        """See to what is due now.

        Args:
            changed: targets that the broker would answer otherwise than before.

        Returns:
            The thread that is busy with it, or None where nothing is due.
        """
        now = self._clock.now()
        with self._lock:
            self._stale.update(target for target in changed if target in self._held)
            if self._busy is not None and self._busy.is_alive():
                return self._busy
            targets = [target for target in self._targets if self._is_due(target, now)]
        if not targets:
            return None
        self._busy = threading.Thread(target=self._refresh, args=(targets,), name="files", daemon=True)
        self._busy.start()
        return self._busy

    def remove(self) -> None:
        """Take every file away, and the folders that were made for them; nothing is written after this."""
        with self._lock:
            self._removed = True
            left = take_away([plan.file for plan in self._plans], self._folders)
        for words in left:
            self._log.warn("file-left", f"a file could not be removed: {words}")

    def _is_due(self, target: str, now: Instant) -> bool:
        failed = self._failed.get(target)
        if failed is not None and now.since(failed) < _AGAIN_S:
            return False
        held = self._held.get(target)
        return held is None or target in self._stale or held.due(now)

    def _refresh(self, targets: list[str]) -> None:
        deadline = min(self._broker.deadline(), self._clock.steady() + _REFRESH_S)
        for error in self._update(targets, deadline):
            self._log.error("file-failed", error.message, code=error.code, hint=error.hint)

    def _update(self, targets: list[str], deadline: float) -> list[VaultgateError]:
        """Ask for these targets, write what has become different; what failed."""
        outcomes = self._ask_all(targets, deadline)
        now = self._clock.now()
        failures: list[VaultgateError] = []
        changed, gone = set(), set()
        with self._lock:
            for target, outcome in sorted(outcomes.items()):
                held = self._held.get(target)
                if isinstance(outcome, VaultgateError):
                    failures.append(outcome)
                    self._failed[target] = now
                    # The broker dropped it, or its time is up: nobody shall try to log in with it.
                    if held is not None and held.leased and (target in self._stale or held.lifetime.over(now)):
                        del self._held[target]
                        gone.add(target)
                    continue
                if held is None or not held.says(outcome.document):
                    changed.add(target)
                self._held[target] = outcome
                self._failed.pop(target, None)
                self._stale.discard(target)
            unwritten: set[str] = set()
            for plan in self._plans:
                if plan.targets & gone:
                    take_away([plan.file])
                    self._log.warn("file-removed", f"{plan.file} held a credential whose lease is over", path=plan.target)
                elif plan.targets & changed and plan.targets <= self._held.keys():
                    failed = self._place(plan)
                    failures += failed
                    unwritten |= plan.targets if failed else frozenset()
            # As if they had not been fetched, so that they are tried again after a while.
            self._failed |= dict.fromkeys(unwritten, now)
            self._held = {target: held for target, held in self._held.items() if target not in unwritten}
            # Nobody may ever read them through the proxy; their leases are in use all the same.
            self._broker.keep([target for target, held in self._held.items() if held.leased])
        return failures

    def _place(self, plan: FilePlan) -> list[VaultgateError]:
        """Write one file, with the lock held; an error that must not keep the others from being written is returned."""
        if self._removed:
            return []
        try:
            content = render(plan, {target: self._held[target].document for target in plan.targets})
            place(plan.file, content, plan.mode, self._folders)
        except VaultgateError as error:
            return [error]
        self._log.info("file-written", f"{plan.file} was written", path=plan.target.removeprefix("/v1/"), format=plan.form)
        return []

    def _ask_all(self, targets: list[str], deadline: float) -> dict[str, _Held | VaultgateError]:
        outcomes: dict[str, _Held | VaultgateError] = {}
        waiting = list(targets)

        def work() -> None:
            while waiting:
                try:
                    target = waiting.pop()
                except IndexError:
                    return  # another thread took the last one
                try:
                    outcomes[target] = self._ask(target, deadline)
                except VaultgateError as error:
                    outcomes[target] = error
                except Exception as error:  # noqa: BLE001 - one secret must not keep the others from being written
                    outcomes[target] = VaultgateError(f"{target} failed by our own fault: {type(error).__name__}")

        beside = [threading.Thread(target=work, name="file", daemon=True) for _ in range(min(len(targets), _AT_ONCE) - 1)]
        for thread in beside:
            thread.start()
        work()
        for thread in beside:
            thread.join()
        return outcomes

    def _ask(self, target: str, deadline: float) -> _Held:
        """Read a secret, from the broker's shelf if it is there and good.

        Raises:
            VaultgateError: there is none; what is known of the likely right path goes along.
        """
        before = self._clock.now()
        held = self._held.get(target)
        # What has no lease may be kept longer by others than a file trusts it.
        anew = held is not None and not held.leased and held.lifetime.over(before)
        request = Request("GET", target, (("X-Vault-Cache-Control", "recache" if anew else "cache"),))
        answer = self._broker.answer(request, deadline)
        path = target.removeprefix("/v1/")
        if not answer.ok:
            raise self._explained(meaning(answer, path), request.path.removeprefix("/v1/"), deadline)
        document = document_of(answer, path)
        if not isinstance(document.get("data"), dict):
            raise NotFound(f"Vault's answer at {path!r} holds no secret", "choose a path that 'vault read' shows fields of")
        remaining = answer.header("X-Vaultgate-Lease-Remaining")
        if remaining is not None:
            return _Held(document, Lifetime(before, float(remaining)), leased=True)
        age_s = float(answer.header("Age") or 0)
        return _Held(document, Lifetime(before, self._ttl_s(request, document) - age_s), leased=False)

    def _ttl_s(self, request: Request, document: dict[str, Any]) -> float:
        """How long an answer without a lease is good for: as the settings say, and as long as Vault says."""
        path = path_below(request.target)
        told = [ttl_without_lease(path, self._config.cache_rules, self._config.cache_ttl_s, asked=True)]
        # KV of version 1 proposes an interval; a static role's password is good until its next rotation.
        told.append(document.get("lease_duration") or 0)
        if "rotation_period" in document["data"] or "rotation_schedule" in document["data"]:
            told.append(max(1.0, document["data"].get("ttl") or 0))
        return min((float(seconds) for seconds in told if seconds), default=float("inf"))

    def _explained(self, error: VaultgateError, path: str, deadline: float) -> VaultgateError:
        """The error with what Vault tells of the mount, where it tells that."""
        if not isinstance(error, Denied | NotFound):
            return error
        request = Request("GET", f"/v1/sys/internal/ui/mounts/{path}", (("X-Vault-Cache-Control", "nocache"),))
        try:
            answer = self._broker.answer(request, deadline)
            mount = document_of(answer, request.target).get("data") if answer.ok else None
        except VaultgateError:
            return error
        return explain(error, path, mount) if isinstance(mount, dict) else error


def _joined(first: VaultgateError, failures: list[VaultgateError]) -> VaultgateError:
    """Several failures as one, of the first one's kind."""
    told = VaultgateError("; ".join(str(error) for error in failures))
    told.code, told.retryable, told.status = first.code, all(error.retryable for error in failures), first.status
    return told
