from __future__ import annotations

import signal
import threading

import pytest

from vaultgate_ops.local.interruptions import interruptible, uninterrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def handlers() -> list[object]:
    """What happens on each signal now."""
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_is_an_interruption(number: signal.Signals) -> None:
    """SIGTERM, and SIGHUP of a closed terminal, unwind like Ctrl-C; afterwards everything is as before."""
    before = handlers()

    def interrupted() -> None:
        with interruptible():
            signal.raise_signal(number)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert handlers() == before


@pytest.mark.parametrize("number", SIGNALS)
def test_tidying_up_goes_on(number: signal.Signals) -> None:
    """Nobody stops it half-way."""
    before = handlers()
    with interruptible(), uninterrupted():
        signal.raise_signal(number)
    assert handlers() == before


def test_elsewhere_nothing_happens() -> None:
    """Only the main thread can set handlers; another one goes on without."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with interruptible(), uninterrupted():
                pass
        except ValueError as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failures
