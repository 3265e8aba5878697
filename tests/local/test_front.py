"""The HTTP front on a real socket, before a function endpoint on another."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from vaultgate_ops.errors import Unreachable
from vaultgate_ops.local.front import Front, listen
from vaultgate_ops.local.function_endpoint import INVOKE_PATH, FunctionEndpoint
from vaultgate_ops.local.processes import free_port
from vaultgate_ops.local.proxy_events import Payload, Route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from socketserver import BaseServer

    Invoke = Callable[[dict[str, Any]], Any]

ROUTES = (Route("GET", "/records"), Route("POST", "/records"), Route("GET", "/records/{id}"))


@contextmanager
def serving(server: BaseServer) -> Iterator[int]:
    """Serve in the background; gives the port."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def front(invoke: Invoke, payload: Payload = "2.0", routes: Sequence[Route] = ROUTES) -> Iterator[http.client.HTTPConnection]:
    """A front before a function; gives a connection to it."""
    with serving(listen("127.0.0.1", 0, Front(invoke, payload, routes))) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        yield connection
        connection.close()


@contextmanager
def endpoint(body: bytes, status: int = 200) -> Iterator[str]:
    """A function endpoint that always gives the same; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield f"http://127.0.0.1:{port}{INVOKE_PATH}"


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, **options: Any
) -> tuple[int, dict[str, list[str]], bytes]:
    """One request; gives status, headers by small name, and body."""
    connection.request(method, path, **options)
    given = connection.getresponse()
    headers: dict[str, list[str]] = {}
    for name, value in given.getheaders():
        headers.setdefault(name.lower(), []).append(value)
    return given.status, headers, given.read()


def echo(event: dict[str, Any]) -> dict[str, Any]:
    """Answer with the event."""
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(event)}


def test_a_request_reaches_the_function_as_it_was_sent() -> None:
    """Method, path, query, repeated headers with their letters, body and cookies survive the socket."""
    with front(echo, "1.0") as connection:
        connection.putrequest("POST", "/records?a=1&a=2")
        for name, value in (("X-Two", "1"), ("x-Two", "2"), ("X-Two", "3,4"), ("Cookie", "c=1"), ("Content-Length", "2")):
            connection.putheader(name, value)
        connection.putheader("Content-Type", "application/json")
        connection.endheaders(b"{}")
        event = json.loads(connection.getresponse().read())
    assert (event["httpMethod"], event["path"], event["body"]) == ("POST", "/records", "{}")
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"]}
    assert event["multiValueHeaders"]["X-Two"] == ["1", "3,4"]
    assert event["multiValueHeaders"]["x-Two"] == ["2"]
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"
    assert event["requestContext"]["protocol"] == "HTTP/1.1"


def test_path_parameters_are_decoded_and_handed_over() -> None:
    """A blank in the path is a blank in the event."""
    with front(echo) as connection:
        event = json.loads(ask(connection, "GET", "/records/a%20b")[2])
    assert event["routeKey"] == "GET /records/{id}"
    assert event["pathParameters"] == {"id": "a b"}
    assert event["rawPath"] == "/records/a b"


def test_binary_bodies_pass_both_ways() -> None:
    """Base64 on the way in, base64 on the way out, bytes on the wire."""
    sent = bytes(range(256))

    def back(event: dict[str, Any]) -> dict[str, Any]:
        assert event["isBase64Encoded"]
        headers = {"Content-Type": "application/octet-stream"}
        return {"statusCode": 200, "headers": headers, "body": event["body"], "isBase64Encoded": True}

    with front(back) as connection:
        assert ask(connection, "POST", "/records", body=sent)[2] == sent


def test_repeated_headers_come_back_apart() -> None:
    """Two cookies are two lines."""
    with front(lambda _event: {"statusCode": 200, "cookies": ["a=1", "b=2"]}) as connection:
        assert ask(connection, "GET", "/records")[1]["set-cookie"] == ["a=1", "b=2"]


def test_every_call_has_an_id_of_its_own() -> None:
    """Logs can be told apart."""
    with front(echo) as connection:
        events = [json.loads(ask(connection, "GET", "/records")[2]) for _ in range(2)]
    assert events[0]["requestContext"]["requestId"] != events[1]["requestContext"]["requestId"]


def test_an_unknown_path_is_404() -> None:
    """The function isn't asked."""
    with front(refuse) as connection:
        status, headers, body = ask(connection, "GET", "/other")
    assert (status, headers["content-type"], json.loads(body)) == (404, ["application/json"], {"message": "Not Found"})


@pytest.mark.parametrize("method", ["DELETE", "HEAD", "OPTIONS"])
def test_another_method_of_a_known_path_is_405_and_names_the_right_ones(method: str) -> None:
    """Nor is it asked here."""
    with front(refuse) as connection:
        status, headers, _ = ask(connection, method, "/records")
    assert (status, headers["allow"]) == (405, ["GET, POST"])


def refuse(_event: dict[str, Any]) -> Any:
    """A function that must not be called."""
    raise AssertionError("the function was asked")


def test_a_body_above_api_gateways_limit_is_413() -> None:
    """10 MB is the most that AWS takes."""
    with front(refuse) as connection:
        connection.putrequest("POST", "/records")
        connection.putheader("Content-Length", "10000001")
        connection.endheaders()
        given = connection.getresponse()
        assert (given.status, json.loads(given.read())) == (413, {"message": "Request Entity Too Large"})


@pytest.mark.parametrize("payload", ["1.0", "2.0"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"errorMessage": "secret inner words", "errorType": "ValueError"}', 200),
        (b'{"errorMessage": "secret inner words", "errorType": "Runtime.ExitError"}', 502),
        (b'{"statusCode": "secret inner words"}', 200),
        (b"", 502),
        (b"secret inner words", 200),
    ],
)
def test_a_broken_function_is_502_in_api_gateways_words(payload: Payload, body: bytes, status: int) -> None:
    """Failure, malformed answer, no answer: the client learns nothing of the inside."""
    with endpoint(body, status) as url, front(FunctionEndpoint(url).invoke, payload) as connection:
        given = ask(connection, "GET", "/records")
    assert (given[0], json.loads(given[2])) == (502, {"message": "Internal server error"})


def test_a_function_that_is_not_there_is_502() -> None:
    """As any other that gives no answer."""
    with front(FunctionEndpoint(f"http://127.0.0.1:{free_port()}{INVOKE_PATH}").invoke) as connection:
        assert ask(connection, "GET", "/records")[0] == 502


def test_a_function_that_runs_out_of_time_is_504() -> None:
    """In API Gateway's words too."""
    with endpoint(b"Task timed out after 3.00 seconds") as url, front(FunctionEndpoint(url).invoke) as connection:
        status, _, body = ask(connection, "GET", "/records")
    assert (status, json.loads(body)) == (504, {"message": "Endpoint request timed out"})


def test_the_reason_of_a_failure_is_in_our_log(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever runs the stack reads what the client can't."""

    def fail(_event: dict[str, Any]) -> Any:
        raise Unreachable("The emulator died.")

    with front(fail) as connection:
        ask(connection, "GET", "/records")
    assert "The emulator died." in caplog.text


@contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The front as a process of its own."""
    argv = [sys.executable, "-m", "vaultgate_ops.local.front", *arguments]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_command_serves_a_function_by_its_url(eventually: Callable[[Callable[[], object]], None]) -> None:
    """`python -m vaultgate_ops.local.front`, as `vaultgate up` starts it."""
    port = free_port()
    result = json.dumps({"statusCode": 200, "body": "ours"}).encode()
    with endpoint(result) as url, command("--listen", f"127.0.0.1:{port}", "--function", url, "--route", "GET /x"):

        def answers() -> bool:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                return ask(connection, "GET", "/x")[::2] == (200, b"ours")
            except OSError:
                return False
            finally:
                connection.close()

        eventually(answers)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--listen", "nowhere", "--function", "http://127.0.0.1:1/x"], "is not HOST:PORT"),
        (["--listen", "127.0.0.1:http", "--function", "http://127.0.0.1:1/x"], "is not HOST:PORT"),
        (["--listen", "127.0.0.1:0", "--function", "nothing"], "is not the address of a function"),
        (["--listen", "127.0.0.1:0", "--function", "http://127.0.0.1:1/x", "--payload", "3.0"], "'3.0' is not one of"),
        (["--listen", "127.0.0.1:0", "--function", "http://127.0.0.1:1/x", "--route", "/x"], "is not a route such as"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], said: str) -> None:
    """Exit code 2, no traceback."""
    with command(*arguments) as process:
        error = process.communicate(timeout=30)[1]
    assert process.returncode == 2
    assert said in error
    assert "Traceback" not in error
