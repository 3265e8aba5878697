from __future__ import annotations

import signal
import threading

import pytest

from vaultgate_ops.interruptions import interruptible, uninterrupted

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
def test_tidying_up_goes_on_to_its_end(number: signal.Signals) -> None:
    """An interruption that comes meanwhile waits, and counts then; afterwards everything is as before."""
    before = handlers()
    tidied: list[str] = []

    def tidy() -> None:
        with interruptible(), uninterrupted():
            signal.raise_signal(number)
            tidied.append("all")

    with pytest.raises(KeyboardInterrupt):
        tidy()
    assert (tidied, handlers()) == (["all"], before)


def test_an_error_outlives_an_interruption_of_its_tidying_up() -> None:
    """What went wrong first is what the user hears of."""

    def fail() -> None:
        try:
            raise ZeroDivisionError
        finally:
            with uninterrupted():
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(ZeroDivisionError):
        fail()


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
