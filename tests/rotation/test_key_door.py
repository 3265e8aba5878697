"""The door to an API, over real connections: checked TLS, no redirects, bounded answers, and no key in what it says."""

from __future__ import annotations

import socket
import threading
import traceback
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from tests.simulators.certificates import DAY, Authority
from tests.simulators.clock import MovableClock
from tests.simulators.key_api import LOST, TIMEOUT, served_keys

from vaultgate_ops.clock import Clock
from vaultgate_ops.local.key_api import KeyApi
from vaultgate_ops.local.processes import free_port
from vaultgate_ops.rotation.api_keys.door import LONGEST_ANSWER, Call, Door
from vaultgate_ops.rotation.errors import RotationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.simulators.key_api import ServedKeys

KEY = "sk-planted-key-0123456789"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Whom the door trusts."""
    return Authority(tmp_path)


@pytest.fixture
def keys(authority: Authority) -> Iterator[ServedKeys]:
    """An API behind TLS."""
    with served_keys(KeyApi(Clock()), authority) as served:
        yield served


def call(url: str, path: str = "/v1/orders", method: str = "GET", body: bytes | None = None) -> Call:
    """A request with a key that must not be found anywhere."""
    return Call(method, f"{url}{path}", {"Authorization": f"Bearer {KEY}"}, body)


def failure(door: Door, asked: Call) -> RotationError:
    """What a request ends with; the key is neither in it nor in a traceback, as Lambda would log it."""
    with pytest.raises(RotationError) as caught:
        door(asked)
    said = "".join(traceback.format_exception(caught.value)) + repr(caught.value.args) + repr(asked)
    assert KEY not in said
    assert caught.value.hint
    return caught.value


def test_a_request(keys: ServedKeys) -> None:
    """What is asked arrives, whatever is answered comes back, and each request has a connection of its own."""
    door = Door(keys.ca_file, Clock())
    assert door(call(keys.url)).status == 401
    (first,) = keys.api.live
    made = door(Call("POST", f"{keys.url}/v1/keys", {"Authorization": f"Bearer {first.secret}"}, b'{"name": "n"}'))
    assert (made.status, b'"name": "n"' in made.content) == (201, True)
    assert door(call(keys.url, "/v1/orders?a=b%20c")).status == 401
    assert keys.door.texts[-1].endswith("/v1/orders?a=b%20c")
    assert first.secret not in repr(made)


def test_a_certificate_that_nobody_vouches_for(keys: ServedKeys, tmp_path: Path) -> None:
    """By another authority, or by the system's: no request is sent."""
    other = Authority(tmp_path, "other")
    for bundle in (str(other.certificate_file), None):
        error = failure(Door(bundle, Clock()), call(keys.url))
        assert (error.code, "ROTATION_CA_BUNDLE" in error.hint) == ("tls", True)
    assert keys.door.requests == []


def test_a_bundle_for_databases_leaves_the_systems_trust(
    keys: ServedKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function has one bundle: with RDS's in it an API is still believed whom everybody believes."""
    monkeypatch.setenv("SSL_CERT_FILE", keys.ca_file)
    for bundle in (str(Authority(tmp_path, "databases").certificate_file), None):
        assert Door(bundle, Clock())(call(keys.url)).status == 401


def test_a_certificate_of_another_host(authority: Authority) -> None:
    """Trust in the authority isn't enough."""
    with served_keys(KeyApi(Clock()), authority, certificate_of="elsewhere.example.com") as keys:
        assert failure(Door(keys.ca_file, Clock()), call(keys.url)).code == "tls"
        assert keys.door.requests == []


def test_a_certificate_that_is_over(authority: Authority) -> None:
    """It vouches for nobody."""
    with served_keys(KeyApi(Clock()), authority, ends=-DAY) as keys:
        assert failure(Door(keys.ca_file, Clock()), call(keys.url)).code == "tls"


def test_a_server_without_tls(authority: Authority) -> None:
    """It hears no key; over http:// it does, where the description let that pass."""
    with served_keys(KeyApi(Clock()), authority, tls=False) as keys:
        assert failure(Door(keys.ca_file, Clock()), call(keys.url.replace("http:", "https:"))).code == "tls"
        assert keys.door.requests == []
        assert Door(None, Clock())(call(keys.url)).status == 401


def test_a_bundle_that_is_not_there(keys: ServedKeys) -> None:
    """The setting is named."""
    error = failure(Door("/no/such/bundle.pem", Clock()), call(keys.url))
    assert (error.code, "ROTATION_CA_BUNDLE" in error.hint) == ("tls", True)


def test_a_redirect_is_an_answer(keys: ServedKeys) -> None:
    """Nobody is asked in its place: the key would go wherever the answer says."""
    keys.door.faults["GET /v1/orders"] = [(302, "", {"Location": f"{keys.url}/v1/keys"})]
    assert Door(keys.ca_file, Clock())(call(keys.url)).status == 302
    assert keys.door.requests == ["GET /v1/orders"]


def test_an_answer_that_does_not_end(keys: ServedKeys) -> None:
    """More than a megabyte is no answer of such an API."""
    keys.door.faults["GET /v1/orders"] = [(200, "x" * (LONGEST_ANSWER + 1)), (200, "x" * LONGEST_ANSWER)]
    assert failure(Door(keys.ca_file, Clock()), call(keys.url)).code == "api-answer-wrong"
    assert len(Door(keys.ca_file, Clock())(call(keys.url)).content) == LONGEST_ANSWER


@pytest.mark.parametrize("fault", [LOST, TIMEOUT])
def test_an_answer_that_does_not_come(keys: ServedKeys, fault: str) -> None:
    """Hung up, or silent for too long: the same to whoever asked, who doesn't know what was done."""
    keys.door.faults["POST /v1/keys"] = [fault]
    error = failure(Door(keys.ca_file, Clock(), answer_s=0.2), call(keys.url, "/v1/keys", "POST", b"{}"))
    assert (error.code, error.retryable) == ("connection-lost", True)
    assert "POST /v1/keys at 127.0.0.1" in error.message


class Hasty(MovableClock):
    """Ten seconds pass between any two looks."""

    def steady(self) -> float:
        self.advance(10)
        return super().steady()


def test_an_answer_that_comes_in_drops(keys: ServedKeys) -> None:
    """None of its pieces is late, the whole is: that ends too."""
    keys.door.faults["GET /v1/orders"] = [(200, "x" * 500_000)]
    assert failure(Door(keys.ca_file, Hasty()), call(keys.url)).code == "connection-lost"


@contextmanager
def server(begins: bytes, goes_on: bytes = b"") -> Iterator[str]:
    """One without HTTP: whatever it is asked, it says something, and either hangs up or goes on for ever. Gives its URL."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def speak() -> None:
            talking, _ = listening.accept()
            with talking, suppress(OSError):
                talking.recv(65536)
                talking.sendall(begins)
                while goes_on and not over.wait(0.02):
                    talking.sendall(goes_on)

        speaker = threading.Thread(target=speak)
        speaker.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            speaker.join()


def test_an_answer_that_is_announced_for_ever() -> None:
    """A head that comes in drops doesn't keep the function any longer than silence."""
    with server(b"", b"HTTP/1.1 100 Continue\r\n\r\n") as url:
        assert failure(Door(None, Clock(), answer_s=0.3), call(url)).code == "connection-lost"


def test_an_answer_that_breaks_off() -> None:
    """It isn't taken for a short one, of which the description would be to blame."""
    with server(b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"a"') as url:
        assert failure(Door(None, Clock()), call(url)).code == "connection-lost"
    with server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as url:
        assert Door(None, Clock())(call(url)).content == b"{}"
    with server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n") as url:
        assert Door(None, Clock())(call(url)).content == b"{}"


def test_nobody_there() -> None:
    """No server, or no address at all."""
    door = Door(None, Clock())
    assert failure(door, call(f"https://127.0.0.1:{free_port()}")).code == "unreachable"
    assert failure(door, call("https://[::1]")).code == "unreachable"  # and not port 1 of a host named ":"
    assert failure(door, call("http://[::1]")).code == "unreachable"
    assert failure(door, call("https://no-such-host.invalid")).code == "host-unknown"


def test_a_key_that_no_header_can_hold(keys: ServedKeys) -> None:
    """The library's own words would quote it."""
    asked = Call("GET", f"{keys.url}/v1/orders", {"Authorization": f"Bearer {KEY}\r\nX: 1"})
    assert failure(Door(keys.ca_file, Clock()), asked).code == "connection-lost"
