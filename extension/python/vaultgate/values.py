"""One text, one value: what the settings' texts may look like.

Rules: pure; a refusal is a ValueError whose words follow the variable's name and value, so it says what would be right.
"""

from __future__ import annotations

import re

from vaultgate.model import Origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate.secret import Secret

_GO_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_LONGEST_S = 10 * 365 * 86_400.0
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZE = re.compile(r"([0-9]+)\s*(|B|KB|MB|KiB|MiB)", re.IGNORECASE)
_BYTES = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "kib": 1024, "mib": 1024**2}
TRUE = frozenset({"1", "t", "true", "yes", "on"})
_FALSE = frozenset({"0", "f", "false", "no", "off"})
_MOUNT = re.compile(r"/?[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*/?")
_OCTET = re.compile(r"25[0-5]|2[0-4][0-9]|1?[0-9]{1,2}")
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_LABEL = 63  # RFC 1035, section 2.3.4; longer ones make Python's resolver raise UnicodeError
_LAST_PORT = 65535
_OPERATIONS = {name: name for name in ("GET", "LIST", "POST", "PATCH", "DELETE")} | {"HEAD": "GET", "PUT": "POST"}
_SHAPE = frozenset("/*")
_SECRETS = "/tmp/vault"  # noqa: S108 - HashiCorp's place for them; in Lambda nobody else is there
_PLAIN_PARTS = frozenset({"", ".", ".."})  # what no part of a path may be


def duration(text: str) -> float:
    """Seconds from a Go duration (`10s`, `1h30m`) or plain seconds.

    Source: Go's time.ParseDuration; signs are not accepted, a negative lifetime means nothing here.
    """
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        seconds = float(text)
    else:
        pieces = _GO_DURATION.findall(text)
        if not pieces or "".join(number + unit for number, unit in pieces) != text:
            raise ValueError("is not a duration such as 10s, 5m, 1h30m or plain seconds")
        seconds = float(sum(float(number) * _SECONDS[unit] for number, unit in pieces))
    if seconds > _LONGEST_S:
        raise ValueError("is longer than ten years")  # and than the system's timers can count
    return seconds


def positive_duration(text: str) -> float:
    """Like `duration`, but zero is refused."""
    seconds = duration(text)
    if not seconds:
        raise ValueError("must be longer than zero")
    return seconds


def size(text: str) -> int:
    """Bytes from `8MiB`, `500kB` or a plain number."""
    match = _SIZE.fullmatch(text)
    if not match:
        raise ValueError("is not a size such as 8MiB, 500KB or plain bytes")
    return int(match[1]) * _BYTES[match[2].lower()]


def boolean(text: str) -> bool:
    """Go's spellings of true and false, and yes, no, on, off."""
    if text.lower() in TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("is neither true nor false")


def count(text: str) -> int:
    """A whole number, zero or more."""
    if not text.isascii() or not text.isdigit():
        raise ValueError("is not a whole number")
    return int(text)


def rate_limit(text: str) -> tuple[float, int]:
    """`rate[:burst]`: requests per second, and how many may come at once; by default as many as come in a second.

    Vault's clients take a rate below 1 without a burst for a burst of none, which lets nothing through; one it is here.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(?::([0-9]+))?", text, re.ASCII)
    rate = float(match[1]) if match else 0.0
    burst = max(1, int(rate)) if not match or match[2] is None else int(match[2])
    if not rate or not burst:
        raise ValueError("is not a rate such as 10 or 10:20, requests per second and how many at once, both more than zero")
    return rate, burst


def word(text: str) -> str:
    """Printable ASCII: it will stand in a header."""
    if not text.isascii() or not text.isprintable():
        raise ValueError("holds a character that is not printable ASCII")
    return text


def secret(text: str) -> Secret:
    """Anything; nobody is shown it, so nothing is said about it either."""
    from vaultgate.secret import Secret  # noqa: PLC0415 - few settings hold one, and a cold start shouldn't pay

    return Secret(text)


def mount(text: str) -> str:
    """Where something is mounted in Vault; a slash at either end is taken off."""
    if not _MOUNT.fullmatch(text):
        raise ValueError("is not a mount such as aws or team/aws")
    return text.strip("/")


def choice(*allowed: str) -> Callable[[str], str]:
    """One of a few words, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text.lower()

    return parse


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _LAST_PORT:
        raise ValueError("has no port between 1 and 65535")
    return int(text)


def origin(text: str) -> Origin:
    """A server's URL: scheme, host, port and perhaps a path that stands before all others."""
    match = re.fullmatch(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([^/]*))?(/[^?#\s]*)?", text)
    if not match:
        raise ValueError("is not a URL such as https://vault.example.com:8200")
    scheme, host, port, prefix = match[1], match[2].strip("[]"), match[3], match[4] or ""
    if not all(1 <= len(label) <= _LABEL for label in host.removesuffix(".").split(".")):
        raise ValueError("names a host that DNS can't know: a part between its dots is empty or too long")
    number = _port(port) if port is not None else (443 if scheme == "https" else 80)
    return Origin(scheme, host, number, prefix.rstrip("/"))


def addresses(text: str) -> tuple[tuple[Origin, str | None], ...]:
    """`https://b:8200,https://c:8200#server-id`: servers' URLs, each perhaps with the server id of its own cluster."""
    found = []
    for part in text.split(","):
        url, hash_sign, server_id = part.strip().partition("#")
        if hash_sign and not server_id:
            raise ValueError("has an address whose server id, behind its #, is empty")
        try:
            found.append((origin(url), word(server_id) if server_id else None))
        except ValueError as reason:
            raise ValueError(f"has an address that {reason}") from None
    return tuple(found)


def is_loopback(host: str) -> bool:
    """Whether a host can only be this machine: 127.0.0.0/8, ::1 or localhost."""
    if host in _LOOPBACK or host.lower() == "localhost":
        return True
    parts = host.split(".")
    return len(parts) == 4 and parts[0] == "127" and all(_OCTET.fullmatch(part) for part in parts)  # noqa: PLR2004 - an IPv4 address


def listen_address(text: str) -> tuple[str, int]:
    """A loopback host and a port."""
    host, colon, port = text.rpartition(":")
    host = host.strip("[]")
    if not colon or not is_loopback(host):
        raise ValueError("is not a loopback address such as 127.0.0.1:8200")
    return host, _port(port)


def role_arn(text: str) -> str:
    """The ARN of an IAM role, in any partition."""
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/[\x21-\x7e]+", text, re.ASCII):
        raise ValueError("is not the ARN of a role, such as arn:aws:iam::123456789012:role/NAME")
    return text


def cache_rules(text: str) -> tuple[tuple[str, float], ...]:
    """`glob=duration,...`: path globs, in which `*` stands for anything, and how long what they match may be kept."""
    rules = []
    for rule in text.split(","):
        glob, equals, ttl = rule.strip().rpartition("=")
        if not equals or not glob:
            raise ValueError(f"has a rule that is not glob=duration: {rule.strip()!r}")
        try:
            rules.append((glob.strip().removeprefix("/").removeprefix("v1/"), duration(ttl.strip())))
        except ValueError as reason:
            raise ValueError(f"has a rule whose time {ttl.strip()!r} {reason}") from None
    return tuple(rules)


def path_rules(text: str) -> tuple[tuple[str, str], ...]:
    """`glob` or `METHOD glob`, with commas between: paths below `/v1/` as they are without escapes, `*` stands for anything.

    Returns:
        For each the method, empty for any, and the glob. What Vault takes for one operation has one name: POST is PUT's too,
        GET is HEAD's.
    """
    rules = []
    for rule in text.split(","):
        first, _, rest = rule.strip().partition(" ")
        # A path may hold a blank too, but hardly before its first slash.
        method, glob = (first.upper(), rest.strip()) if rest and _SHAPE.isdisjoint(first) else ("", rule.strip())
        glob = glob.removeprefix("/").removeprefix("v1/").removesuffix("/")
        if method and method not in _OPERATIONS:
            raise ValueError(f"has a rule with the method {method!r}: use one of {', '.join(_OPERATIONS)}")
        if glob.partition(" ")[0] in _OPERATIONS:
            raise ValueError(f"has a rule with a method where its path should be: {glob!r}")
        if not glob.isprintable() or not _PLAIN_PARTS.isdisjoint(glob.split("/")):
            raise ValueError(f"has a rule that no path fits: {rule.strip()!r}")
        rules.append((_OPERATIONS.get(method, ""), glob))
    return tuple(rules)


def secret_path(text: str) -> str:
    """The target of a request for a secret, such as `/v1/secret/data/app`, from its path below `/v1/`.

    What a URL can't hold is escaped, as Vault's own clients do; a query such as `?version=2` stays as it is.
    """
    path, _, query = text.removeprefix("/").removeprefix("v1/").partition("?")
    if not path.isprintable() or not _PLAIN_PARTS.isdisjoint(path.split("/")):
        raise ValueError("is not a secret's path such as secret/data/app")
    if not re.fullmatch(r"[A-Za-z0-9_.~=&%+-]*", query):
        raise ValueError("has a query that is not plain, such as ?version=2")
    escaped = re.sub(rb"[^A-Za-z0-9._~/-]", lambda byte: b"%%%02X" % byte[0][0], path.encode()).decode()
    return f"/v1/{escaped}?{query}" if query else f"/v1/{escaped}"


def file_path(text: str) -> str:
    """Where a file is to be: absolute, and without detours."""
    root, *parts = text.split("/")
    if root or not parts or not _PLAIN_PARTS.isdisjoint(parts) or "\0" in text:
        raise ValueError("is not the absolute path of a file, such as /tmp/vault/secret.json")
    return text


def secret_file(text: str) -> str:
    """Where a secret's file is to be: absolute, or below /tmp/vault as HashiCorp's extension has it."""
    return file_path(text if text.startswith("/") else f"{_SECRETS}/{text}")


def file_mode(text: str) -> int:
    """Permission bits from their octal digits."""
    if not re.fullmatch(r"(0o?)?[4-7][0-7]{2}", text):
        raise ValueError("is not a file's mode such as 0600 or 0640; its owner must be able to read it")
    return int(text, 8)


def template(text: str) -> tuple[tuple[str, str, str], ...]:
    """A text with `{{ path#field }}` in it, taken apart.

    Returns:
        For each place a secret goes to: the text before it, the target of the request for the secret, the field. An empty
        target is the path that the file itself names: `{{ #field }}`. The text behind the last one stands before an empty field.
    """
    pieces = re.split(r"\{\{\s*([^{}#]*?)\s*#\s*([^{}#]+?)\s*\}\}", text)
    if len(pieces) == 1 or any("{{" in words for words in pieces[::3]):
        raise ValueError("is not a template: each place a secret goes to is written {{ path#field }}")
    places = zip(pieces[::3], [*pieces[1::3], ""], [*pieces[2::3], ""], strict=True)
    return tuple((before, path and secret_path(path), field) for before, path, field in places)
