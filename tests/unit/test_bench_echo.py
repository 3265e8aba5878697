"""What reads over loopback are compared with: a server of constant bytes, and cores that don't halt."""

from __future__ import annotations

import http.client
import os
import socket
import threading

import pytest
from benchmarks import echo, machine


@pytest.mark.parametrize("size", [0, 587])
def test_the_echo_answers_each_request_of_a_connection_with_a_body_of_that_size(size: int) -> None:
    """An ordinary client reads answer after answer on one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=echo.serve, args=(listener, echo.answer_of(size)))
        serving.start()
        client = http.client.HTTPConnection("127.0.0.1", listener.getsockname()[1], timeout=5)
        lengths = []
        for _ in range(3):
            client.request("GET", "/v1/secret", headers={"X-Vault-Request": "true"})
            lengths.append(len(client.getresponse().read()))
        client.close()
        # To close it is not enough: a thread that waits on it would go on waiting, and fail beside some later test.
        listener.shutdown(socket.SHUT_RDWR)
        serving.join()
    assert lengths == [size] * 3


def test_what_keeps_the_cores_awake_gives_way_and_ends() -> None:
    """One process for each core, at the idle policy, and none afterwards."""
    with machine.awake() as spinning:
        assert len(spinning) == len(os.sched_getaffinity(0))
        for pid in spinning:
            while os.sched_getscheduler(pid) != os.SCHED_IDLE:
                os.sched_yield()
    for pid in spinning:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
