from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.interruptions import interruptible, uninterrupted

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def as_in_the_foreground() -> Iterator[None]:
    """Signals do what they do in a terminal's foreground, whatever they do to this run."""
    foreground = dict(zip(SIGNALS, (signal.default_int_handler, signal.SIG_DFL, signal.SIG_DFL), strict=True))
    before = {number: signal.signal(number, handler) for number, handler in foreground.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


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


def test_a_swallowed_interruption_counts_at_the_end() -> None:
    """Struck in a finalizer, Ctrl-C is swallowed by Python; the work ends as interrupted all the same."""

    def swallowed() -> None:
        with interruptible(), contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        swallowed()


@pytest.mark.parametrize("number", SIGNALS)
def test_who_ignores_a_signal_goes_on_doing_so(number: signal.Signals) -> None:
    """A shell's background job has SIGINT ignored, nohup's has SIGHUP; that is not ours to change."""
    signal.signal(number, signal.SIG_IGN)
    with interruptible():
        signal.raise_signal(number)
        with uninterrupted():
            signal.raise_signal(number)


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
