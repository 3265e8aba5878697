"""Where the function's own AWS keys come from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.simulators.loopback import always, answering, loopback, silent

from vaultgate.clock import Clock
from vaultgate.credentials import Credentials
from vaultgate.errors import NoCredentials
from vaultgate.model import Answer, AwsKeys, Origin, Request
from vaultgate.transport import Connections

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "planted-key", "AWS_SESSION_TOKEN": "planted-session"}
URI = "AWS_CONTAINER_CREDENTIALS_FULL_URI"


def current(environ: dict[str, str], seconds: float = 10) -> AwsKeys:
    """The keys that an environment gives now."""
    clock = Clock()
    connections = Connections(clock)
    try:
        return Credentials(environ, connections).current(clock.steady() + seconds)
    finally:
        connections.close()


def revealed(keys: AwsKeys) -> tuple[str, str, str | None]:
    """The keys in clear, to be compared."""
    return keys.access_key, keys.secret_key.reveal(), keys.session_token.reveal() if keys.session_token else None


def answer(document: object) -> bytes:
    """A document on the wire."""
    body = json.dumps(document).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def test_from_the_environment() -> None:
    """Lambda gives the keys by environment variables; a user's own have no session token."""
    assert revealed(current(KEYS)) == ("AKID", "planted-key", "planted-session")
    assert revealed(current({**KEYS, "AWS_SESSION_TOKEN": ""})) == ("AKID", "planted-key", None)


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
@pytest.mark.parametrize("text", [None, ""])
def test_missing_keys(name: str, text: str | None) -> None:
    """Without keys the error says to give the function a role, and shows what there is of them to nobody."""
    environ = {key: value for key, value in KEYS.items() if key != name} | ({name: text} if text is not None else {})
    with pytest.raises(NoCredentials, match="execution role") as caught:
        current(environ)
    assert "planted" not in str(caught.value)


def test_from_the_endpoint() -> None:
    """Where a sandbox may come from a snapshot, keys come from a loopback endpoint, with its authorization, each time anew."""
    document = {
        "AccessKeyId": "ASIA",
        "SecretAccessKey": "fresh-key",
        "Token": "fresh-session",
        "Expiration": "2026-11-21T13:00:00Z",
    }
    with loopback(always(answer(document))) as server:
        environ = {**KEYS, URI: f"{server.origin}/v2/credentials?id=1", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "let-me"}
        for _ in range(2):
            assert revealed(current(environ)) == ("ASIA", "fresh-key", "fresh-session")
        assert [(one.method, one.target, one.header("Authorization")) for one in server.requests] == [
            ("GET", "/v2/credentials?id=1", "let-me")
        ] * 2


class Metadata:
    """ECS's endpoint, which no test can listen at.

    Attributes:
        asked: every request, with the server it was for.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, Request]] = []

    def exchange(self, origin: Origin, request: Request, _deadline: float) -> Answer:
        """Give keys."""
        self.asked.append((str(origin), request))
        return Answer(200, (), json.dumps({"AccessKeyId": "ASIA", "SecretAccessKey": "B", "Token": "C"}).encode())


def test_keys_that_were_rotated() -> None:
    """The endpoint gives other keys by and by: the same sandbox signs its next login with those it gives then."""
    documents = [{"AccessKeyId": key, "SecretAccessKey": f"key-of-{key}", "Token": f"session-of-{key}"} for key in ("OLD", "NEW")]
    clock = Clock()
    connections = Connections(clock)
    with loopback(answering(*[answer(document) for document in documents])) as server:
        source = Credentials({URI: f"{server.origin}/v2/credentials"}, connections)
        for key in ("OLD", "NEW"):
            assert revealed(source.current(clock.steady() + 10)) == (key, f"key-of-{key}", f"session-of-{key}")
        connections.close()


def test_from_a_task_of_ecs() -> None:
    """ECS gives a path on its link-local endpoint; it counts before a whole address."""
    metadata = Metadata()
    environ = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/id", URI: "http://127.0.0.1:1/other"}
    assert Credentials(environ, metadata).current(10).access_key == "ASIA"
    [(server, request)] = metadata.asked
    assert (server + request.target, request.header("Authorization")) == ("http://169.254.170.2/v2/credentials/id", None)


def test_from_a_pod_of_eks(tmp_path: Path) -> None:
    """EKS gives the authorization in a file, which is rotated: it is read each time, and counts before the variable."""
    metadata, file = Metadata(), tmp_path / "token"
    environ = {
        URI: "http://169.254.170.23/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(file),
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "not this",
    }
    keys = Credentials(environ, metadata)
    for word in ("first", "second"):
        file.write_text(f"{word}\n")
        keys.current(10)
    assert [request.header("Authorization") for _, request in metadata.asked] == ["first", "second"]
    file.unlink()
    with pytest.raises(NoCredentials, match="AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
        keys.current(10)


@pytest.mark.parametrize(("suffix", "target"), [("", "/"), ("/", "/"), ("?id=1", "/?id=1"), ("/a/b", "/a/b")])
def test_endpoint_paths(suffix: str, target: str) -> None:
    """The endpoint is asked at the path it was given with."""
    with loopback(always(answer({"AccessKeyId": "A", "SecretAccessKey": "B", "Token": "C"}))) as server:
        current({URI: f"{server.origin}{suffix}"})
        assert [one.target for one in server.requests] == [target]


@pytest.mark.parametrize(
    "said",
    [
        answer({"AccessKeyId": "planted-a", "SecretAccessKey": "planted-b"}),
        answer({"message": "planted"}),
        answer(["planted"]),
        answer("planted"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted",
        b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
        b"planted\r\n\r\n",
    ],
)
def test_endpoint_that_gives_no_keys(said: bytes) -> None:
    """An endpoint that answers anything but keys is told as that, without what it said."""
    with loopback(always(said)) as server, pytest.raises(NoCredentials, match="gave no keys") as caught:
        current({URI: f"{server.origin}/a"})
    assert "planted" not in str(caught.value)


def test_endpoint_that_is_silent() -> None:
    """An endpoint that says nothing is left at the deadline, and old keys are not used in its place."""
    with loopback(silent) as server, pytest.raises(NoCredentials, match="DeadlineExceeded"):
        current({**KEYS, URI: f"{server.origin}/a"}, 0.05)


@pytest.mark.parametrize(
    "url", ["http://example.com/a", "http://10.0.0.1/a", "http://169.254.169.254/a", "file:///a", "nonsense"]
)
def test_endpoint_elsewhere_is_refused(url: str) -> None:
    """Keys are not fetched in clear from a machine that isn't this one, nor from what is no URL."""
    with pytest.raises(NoCredentials, match=URI):
        current({**KEYS, URI: url})


@pytest.mark.parametrize(
    "url", ["http://169.254.170.2/a", "http://169.254.170.23/a", "http://[fd00:ec2::23]/a", "https://example.com/a"]
)
def test_endpoints_of_aws_are_asked(url: str) -> None:
    """AWS's own link-local endpoints are asked, and any over TLS."""

    class Network:
        def __init__(self) -> None:
            self.asked: list[str] = []

        def exchange(self, origin: object, request: object, deadline: float) -> Answer:
            self.asked.append(f"{origin} {request} {deadline}")
            return Answer(200, (), b'{"AccessKeyId":"A","SecretAccessKey":"B","Token":"C"}')

    network = Network()
    assert revealed(Credentials({URI: url}, network).current(0)) == ("A", "B", "C")
    assert len(network.asked) == 1
