"""Settings: what is taken, what is refused, and that all problems are told at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultgate.config import load
from vaultgate.errors import ConfigurationError
from vaultgate.model import Origin
from vaultgate.settings import SETTINGS
from vaultgate.values import boolean, duration, is_loopback, origin, size

NEEDED = {"VAULT_ADDR": "https://vault.example.com:8200", "VAULT_AUTH_ROLE": "records"}
BAD = {
    "VAULT_ADDR": ["vault.example.com", "https://", "https://a:0", "https://a:65536", "https://a:²", "ftp://a", "https://u:p@a/"],
    "VLE_VAULT_ADDR": ["https://a?b", "https://a..b", "https://" + "a" * 64, "https://a b"],
    "VAULT_AUTH_PROVIDER": ["my aws", "aws?x", "a//b", "aws#", "äws", "/"],
    "VAULT_AUTH_ROLE": ["rec\nords", "rôle"],
    "VAULT_IAM_SERVER_ID": ["a\r\nX-Injected: b", "ŝ"],
    "VAULT_STS_ENDPOINT_REGION": ["eu\twest"],
    "VAULT_NAMESPACE": ["team\x00", "ŝ"],
    "VAULT_TLS_SERVER_NAME": ["a\nb"],
    "VAULT_SKIP_VERIFY": ["maybe", "2"],
    "VAULT_CLIENT_TIMEOUT": ["0", "0s", "-1s", "soon", "1 h"],
    "VAULT_MAX_RETRIES": ["-1", "two", "1.5", "²"],
    "VAULT_RATE_LIMIT": ["0", "0:5", "10:0", "many", "10:", ":5", "1e3", "-1", "10:1.5", "٣"],
    "VAULT_TOKEN_EXPIRY_GRACE_PERIOD": ["1d", "-5s"],
    "VAULT_LOG_LEVEL": ["loud"],
    "VAULT_RUN_MODE": ["files", "both"],
    "VAULT_SECRET_PATH": ["/", "secret//data", "secret/../sys/raw", "secret/data/a\x00", "secret/data/a?version=2#3"],
    "VAULT_SECRET_FILE": ["../secret.json", "/", "/srv/vault/", "app/", "/srv/../etc/passwd", "/srv//a", "/srv/a\x00b"],
    "VAULTGATE_AUTH_METHOD": ["jwt", "iam"],
    "VAULTGATE_APPROLE_ROLE_ID_FILE": ["role-id", "/srv/../x"],
    "VAULTGATE_APPROLE_ROLE_ID": ["rôle"],
    "VAULTGATE_APPROLE_SECRET_ID_FILE": ["~/secret-id"],
    "VAULTGATE_APPROLE_WRAPPING_PATH": ["auth//x", "auth/approle/role/my app/secret-id"],
    "VAULTGATE_ADDRESSES": ["b", "https://b,", "https://b:0", "https://b:8200#", "https://b:8200#ŝ", "ftp://b"],
    "VAULTGATE_ON_FAILURE": ["open", "fresh"],
    "VAULTGATE_STALE_MAX": ["a while", "-1s"],
    "VAULTGATE_LISTEN": ["0.0.0.0:8200", "8200", "127.0.0.1", "127.0.0.1:0", "10.0.0.1:1", "127.0.0.256:1", "127.0.0.²:1"],
    "VAULTGATE_START": ["late"],
    "VAULTGATE_GUARD": ["closed"],
    "VAULTGATE_ALLOW": ["FETCH secret/*", "secret//a", "secret/../sys/*", "a,,b", "GET", "secret/a\x00"],
    "VAULTGATE_DENY": ["GET POST secret/*", "/", "secret/a,"],
    "VAULT_ASSUMED_ROLE_ARN": ["records", "arn:aws:iam::12:role/x", "arn:aws:iam::123456789012:user/x"],
    "VAULTGATE_CACHE": ["secret/*", "=5s", "secret/*=soon"],
    "VAULT_DEFAULT_CACHE_TTL": ["0", "soon", "-1s", "1e10", "100000000000"],
    "VAULT_DEFAULT_CACHE_ENABLED": ["maybe", "2"],
    "VAULTGATE_CACHE_BYTES": ["8 apples", "-1", "8GB", "٣"],
    "VAULTGATE_LEASE_MARGIN": ["ten"],
    "VAULTGATE_FILE_FORMAT": ["yaml"],
    "VAULTGATE_FILE_TEMPLATE": ["no place", "{{ secret/data/app }}", "{{ a#b }} {{", "{{ a//b#c }}", "{{ #}}"],
    "VAULTGATE_FILE_MODE": ["rw-------", "1600", "0060", "0o888", "60"],
    "VAULTGATE_EXEC_NEXT": ["wrapper", "/opt/../wrapper"],
    "VAULTGATE_CONFIG": ["agent.json"],
    "VAULTGATE_METRICS": ["statsd"],
    "VAULTGATE_ALLOW_SINK": ["perhaps"],
    "VAULTGATE_ALLOW_HTTP": ["perhaps"],
}
# What must be there beside these for nothing else to be wrong.
BESIDE = {
    "VAULT_SECRET_FILE": {"VAULT_SECRET_PATH": "secret/data/app"},
    "VAULTGATE_FILE_FORMAT": {"VAULT_SECRET_PATH": "secret/data/app"},
    "VAULTGATE_FILE_TEMPLATE": {"VAULT_SECRET_PATH": "secret/data/app", "VAULTGATE_FILE_FORMAT": "template"},
}
for one in [name for name in BAD if "_APPROLE_" in name]:
    BESIDE[one] = {"VAULTGATE_AUTH_METHOD": "approle", "VAULTGATE_APPROLE_SECRET_ID_FILE": "/srv/secret-id"}
    if "_ROLE_ID" not in one:
        BESIDE[one] |= {"VAULTGATE_APPROLE_ROLE_ID": "a"}
# Files are judged when they are opened, and a secret by Vault; every text is one.
NOTHING_IS_BAD = {"VAULT_CACERT", "VAULT_CAPATH", "VAULT_CLIENT_CERT", "VAULT_CLIENT_KEY", "VAULTGATE_APPROLE_SECRET_ID"}


def problems(**environ: str) -> tuple[str, ...]:
    """What is wrong with an environment that is right but for these names."""
    with pytest.raises(ConfigurationError) as caught:
        load(NEEDED | environ)
    return caught.value.problems


def test_defaults() -> None:
    """With only the two needed names, everything else has the documented default."""
    config = load(NEEDED)
    assert config.vault == Origin("https", "vault.example.com", 8200)
    assert (config.auth_mount, config.auth_role, config.iam_server_id, config.namespace) == ("aws", "records", None, None)
    assert (config.listen, config.start, config.guard, config.log_level) == (("127.0.0.1", 8200), "overlap", "header", "info")
    assert (config.timeout_s, config.max_retries, config.token_margin_s, config.lease_margin_s) == (60, 2, 10, None)
    assert (config.cache_bytes, config.sts_region, config.tls.verify, config.tls.ca_file) == (8 * 1024**2, None, True, None)


def test_every_setting_has_a_bad_value_here() -> None:
    """The list of bad values above covers every row of the table."""
    assert set(BAD) | NOTHING_IS_BAD == {setting.name for setting in SETTINGS}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_bad_value_is_named(name: str, text: str) -> None:
    """A bad value is one problem that begins with its variable and shows what was set."""
    found = problems(**BESIDE.get(name, {}) | {name: text})
    shown = text.replace("u:p@", "***@")  # what may be a password is not repeated
    assert [problem.startswith(f"{name}={shown!r} ") for problem in found] == [True]


def test_all_problems_at_once() -> None:
    """Everything that is wrong is told in one go, in one line."""
    environ = {name: texts[0] for name, texts in BAD.items() if name not in {"VAULT_ADDR", "VAULT_AUTH_ROLE"}}
    with pytest.raises(ConfigurationError) as caught:
        load(environ | {"VAULTGATE_STRAT": "ready", "VAULT_CLIENT_KEY": "key.pem", "VLE_VAULT_ADDR": ""})
    found = caught.value.problems
    for name in [*environ.keys() - {"VLE_VAULT_ADDR"}, "VAULT_ADDR", "VAULT_AUTH_ROLE", "VAULTGATE_STRAT"]:
        assert any(problem.startswith(name) for problem in found), name
    assert any("VAULT_CLIENT_KEY go together" in problem for problem in found)
    assert "\n" not in str(caught.value)
    assert str(caught.value) == "; ".join(found)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("VAULTGATE_STRAT", "VAULTGATE_START"),
        ("VAULTGATE_LISTN", "VAULTGATE_LISTEN"),
        ("VAULTGATE_GAURD", "VAULTGATE_GUARD"),
        ("VAULTGATE_CACHE_BYTE", "VAULTGATE_CACHE_BYTES"),
    ],
)
def test_misspelt_name_suggests_the_nearest(wrong: str, right: str) -> None:
    """A name of ours that doesn't exist is refused, and the nearest one suggested."""
    assert problems(**{wrong: "x"}) == (f"{wrong} is not a setting: did you mean {right}?",)


def test_unlike_anything_suggests_nothing() -> None:
    """A name that is near to none gets no misleading suggestion."""
    assert problems(VAULTGATE_QXJZWYQXJZWYQXJZWY="x") == ("VAULTGATE_QXJZWYQXJZWYQXJZWY is not a setting",)


def test_other_peoples_names_are_left_alone() -> None:
    """Names that are not ours may be there: Vault's own tools, AWS's, anybody's."""
    load(NEEDED | {"VAULT_TOKEN": "x", "VAULT_FORMAT": "json", "AWS_REGION": "eu-west-1", "VAULT_GATE": "x", "GATE": "x"})


@pytest.mark.parametrize("name", ["VAULT_ADDR", "VAULT_AUTH_ROLE"])
@pytest.mark.parametrize("text", [None, "", "  "])
def test_missing(name: str, text: str | None) -> None:
    """What can't be guessed is asked for; empty counts as absent."""
    environ = {key: value for key, value in NEEDED.items() if key != name} | ({name: text} if text is not None else {})
    with pytest.raises(ConfigurationError, match=f"^{name} is missing: set it to "):
        load(environ)


def test_empty_counts_as_absent() -> None:
    """A variable set to nothing has its default, as in Vault's own tools."""
    config = load(NEEDED | dict.fromkeys(BAD.keys() - NEEDED.keys(), ""))
    assert (config.timeout_s, config.start, config.auth_mount) == (60, "overlap", "aws")


def test_frozen() -> None:
    """A configuration in force doesn't change."""
    config = load(NEEDED)
    for name in ("timeout_s", "vault", "brand_new"):
        with pytest.raises(AttributeError, match="frozen"):
            setattr(config, name, 1)
    assert config.timeout_s == 60


def test_own_address_wins() -> None:
    """VLE_VAULT_ADDR wins over VAULT_ADDR, and is enough alone."""
    assert load(NEEDED | {"VLE_VAULT_ADDR": "https://b"}).vault == Origin("https", "b", 443)
    assert load({"VLE_VAULT_ADDR": "https://b/vault/", "VAULT_AUTH_ROLE": "r"}).vault == Origin("https", "b", 443, "/vault")


def test_mount_slashes() -> None:
    """Vault lists its mounts with a slash at the end; copied so, it is the same mount."""
    assert load(NEEDED | {"VAULT_AUTH_PROVIDER": "/team/aws/"}).auth_mount == "team/aws"


@pytest.mark.parametrize(
    ("environ", "region"),
    [
        ({}, None),
        ({"AWS_REGION": "eu-west-1"}, None),
        ({"AWS_REGION": "eu-west-1", "AWS_STS_REGIONAL_ENDPOINTS": "legacy"}, None),
        ({"AWS_REGION": "eu-west-1", "AWS_STS_REGIONAL_ENDPOINTS": "regional"}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-2", "AWS_STS_REGIONAL_ENDPOINTS": "Regional"}, "eu-west-2"),
        (
            {"AWS_REGION": "a", "AWS_STS_REGIONAL_ENDPOINTS": "regional", "VAULT_STS_ENDPOINT_REGION": "us-east-1"},
            "us-east-1",
        ),
    ],
)
def test_sts_region(environ: dict[str, str], region: str | None) -> None:
    """The login is signed for the region that was set, else the function's own if AWS's switch says regional, else none."""
    assert load(NEEDED | environ).sts_region == region


@pytest.mark.parametrize("vault", ["http://vault.example.com", "http://10.0.0.5:8200", "http://[2001:db8::1]:8200"])
def test_clear_text_needs_a_word(vault: str) -> None:
    """Tokens don't travel in clear unless somebody said so."""
    assert ["in clear" in problem for problem in problems(VAULT_ADDR=vault)] == [True]
    assert load(NEEDED | {"VAULT_ADDR": vault, "VAULTGATE_ALLOW_HTTP": "1"}).vault.scheme == "http"


def test_addresses() -> None:
    """More addresses come in their order, each perhaps with the server id of its own cluster."""
    config = load(NEEDED | {"VAULTGATE_ADDRESSES": "https://b:8200, https://c/vault#other-id"})
    assert config.addresses == ((origin("https://b:8200"), None), (origin("https://c/vault"), "other-id"))
    assert load(NEEDED).addresses == ()


def test_what_addresses_may_not_be() -> None:
    """Neither in clear to another machine, nor bound to a server id where the login isn't."""
    (clear,) = problems(VAULTGATE_ADDRESSES="https://b,http://c:8200")
    assert "http://c:8200 would send tokens in clear" in clear
    approle = {"VAULTGATE_AUTH_METHOD": "approle", "VAULTGATE_APPROLE_ROLE_ID": "a", "VAULTGATE_APPROLE_SECRET_ID_FILE": "/s"}
    (bound,) = problems(VAULTGATE_ADDRESSES="https://b#other-id", **approle)
    assert "https://b names a server id" in bound


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [({}, 300), ({"VAULTGATE_STALE_MAX": "10s"}, 10), ({"VAULTGATE_ON_FAILURE": "closed", "VAULTGATE_STALE_MAX": "10s"}, 0)],
)
def test_how_long_past_its_time(environ: dict[str, str], seconds: float) -> None:
    """Five minutes unless told otherwise; never under `closed`."""
    assert load(NEEDED | environ).stale_max_s == seconds


@pytest.mark.parametrize("vault", ["http://127.0.0.1:8200", "http://localhost:8200", "http://[::1]:8200"])
def test_loopback_may_be_clear(vault: str) -> None:
    """To this machine itself http will do."""
    assert load(NEEDED | {"VAULT_ADDR": vault}).vault.scheme == "http"


@pytest.mark.parametrize("text", ["http://127.0.0.1.example.com", "http://127.1", "http://localhost.example.com"])
def test_near_loopback_is_not(text: str) -> None:
    """A name that only begins like this machine's is somebody else's."""
    assert not is_loopback(origin(text).host)


def test_certificate_needs_its_key() -> None:
    """A client certificate without its key, or a key alone, is one problem."""
    for name in ("VAULT_CLIENT_CERT", "VAULT_CLIENT_KEY"):
        assert problems(**{name: "file.pem"}) == ("VAULT_CLIENT_CERT and VAULT_CLIENT_KEY go together: set both or none",)


# Go 1.25, src/time/time_test.go, parseDurationTests; without the signs and with plain seconds, which we take and Go doesn't.
GO_TAKES = [
    ("0", 0.0),
    ("5s", 5.0),
    ("30s", 30.0),
    ("1478s", 1478.0),
    ("5.0s", 5.0),
    ("5.6s", 5.6),
    ("5.s", 5.0),
    (".5s", 0.5),
    ("1.0s", 1.0),
    ("1.004s", 1.004),
    ("100.00100s", 100.001),
    ("10ns", 10e-9),
    ("11us", 11e-6),
    ("12\u00b5s", 12e-6),
    ("12\u03bcs", 12e-6),
    ("13ms", 13e-3),
    ("14s", 14.0),
    ("15m", 15 * 60.0),
    ("16h", 16 * 3600.0),
    ("3h30m", 3.5 * 3600),
    ("10.5s4m", 4 * 60 + 10.5),
    ("1h2m3s4ms5us6ns", 3723.004005006),
    ("39h9m14.425s", 39 * 3600 + 9 * 60 + 14.425),
    ("52763797000ns", 52.763797),
    ("0.3333333333333333333h", 1200.0),
    ("300ms", 0.3),
    ("2h45m", 9900.0),
]
GO_REFUSES = [
    "",
    "-",
    "s",
    ".",
    "-.",
    ".s",
    "+.s",
    "1d",
    "\x85\x85",
    "\xffff",
    "hello \xffff world",
    "-1.5h",
    "1h 30m",
    "1hx5m",
    "٣s",
]


@pytest.mark.parametrize(("text", "seconds"), GO_TAKES)
def test_durations_are_gos(text: str, seconds: float) -> None:
    """What Go's own tests say of a duration holds here."""
    assert duration(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize("text", GO_REFUSES)
def test_bad_durations_are_gos(text: str) -> None:
    """What Go refuses is refused, and signs are too: a negative lifetime means nothing here."""
    with pytest.raises(ValueError, match="is not a duration"):
        duration(text)


@given(st.integers(0, 10**6))
def test_plain_numbers_are_seconds(number: int) -> None:
    """HashiCorp's extension takes plain numbers as seconds, and so do we."""
    assert duration(str(number)) == duration(f"{number}s") == number


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("1024", 1024), ("8MiB", 8 * 1024**2), ("500kB", 500_000), ("1 kib", 1024), ("2MB", 2_000_000)]
)
def test_sizes(text: str, number: int) -> None:
    """Sizes are bytes with decimal or binary units, in any case."""
    assert size(text) == number


@pytest.mark.parametrize(("text", "value"), [("1", True), ("T", True), ("TRUE", True), ("yes", True), ("0", False), ("F", False)])
def test_booleans(text: str, *, value: bool) -> None:
    """Go's spellings of true and false are known, in any case."""
    assert boolean(text) is value


@given(st.dictionaries(st.sampled_from([setting.name for setting in SETTINGS]), st.text(max_size=12)))
def test_any_environment_is_a_config_or_problems(environ: dict[str, str]) -> None:
    """Whatever stands in our variables, the outcome is a configuration or problems that each name a variable."""
    found: tuple[str, ...] = ("VAULT",)
    try:
        load(environ)
    except ConfigurationError as error:
        found = error.problems
    assert found
    assert all(problem.startswith(("VAULT", "VLE_VAULT")) for problem in found)


@pytest.mark.parametrize("name", ["VAULT_ADDR", "VLE_VAULT_ADDR"])
def test_a_password_in_an_address_is_not_repeated(name: str) -> None:
    """An address with a user and a password is refused without showing them: the problem goes to the log and to Lambda."""
    with pytest.raises(ConfigurationError) as refused:
        load(NEEDED | {name: "https://somebody:hunter2/@vault.example.com:8200"})
    assert f"{name}='https://***@vault.example.com:8200' " in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_an_assumed_roles_keys_do_not_come_in_clear() -> None:
    """An STS endpoint that is plain http and not on loopback is refused where its answer would hold keys."""
    role = {"VAULT_ASSUMED_ROLE_ARN": "arn:aws:iam::123456789012:role/app"}
    with pytest.raises(ConfigurationError, match="in clear"):
        load(NEEDED | role | {"AWS_ENDPOINT_URL_STS": "http://sts.example.com"})
    assert load(NEEDED | role | {"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:5000"}).sts_endpoint is not None
    assert load(NEEDED | {"AWS_ENDPOINT_URL_STS": "http://sts.example.com"}).assumed_role_arn is None


def test_what_is_set_is_in_force() -> None:
    """Each setting reaches its place in the configuration, with blanks around it taken off."""
    environ = {
        "VAULT_AUTH_PROVIDER": "team/aws",
        "VAULT_IAM_SERVER_ID": " vault.example.com ",
        "VAULT_ASSUMED_ROLE_ARN": "arn:aws:iam::123456789012:role/app",
        "VAULT_NAMESPACE": "team",
        "VAULT_CLIENT_TIMEOUT": "5s",
        "VAULT_MAX_RETRIES": "7",
        "VAULT_TOKEN_EXPIRY_GRACE_PERIOD": "3s",
        "VAULT_LOG_LEVEL": "DEBUG",
        "VAULT_RUN_MODE": "Proxy",
        "VAULT_DEFAULT_CACHE_TTL": "30s",
        "VAULT_DEFAULT_CACHE_ENABLED": "true",
        "VAULTGATE_LISTEN": "127.0.0.2:9000",
        "VAULTGATE_START": "early",
        "VAULTGATE_GUARD": "warn",
        "VAULTGATE_ALLOW": "GET secret/data/*, database/creds/app",
        "VAULTGATE_DENY": "put /v1/secret/*",
        "VAULTGATE_CACHE": "secret/*=5s",
        "VAULTGATE_CACHE_BYTES": "1MiB",
        "VAULTGATE_LEASE_MARGIN": "4s",
    }
    config = load(NEEDED | environ)
    assert (config.auth_mount, config.iam_server_id, config.namespace) == ("team/aws", "vault.example.com", "team")
    assert config.assumed_role_arn == "arn:aws:iam::123456789012:role/app"
    assert (config.timeout_s, config.max_retries, config.token_margin_s, config.lease_margin_s) == (5, 7, 3, 4)
    assert (config.log_level, config.run_mode, config.start, config.guard) == ("debug", "proxy", "early", "warn")
    assert (config.cache_ttl_s, config.cache_always, config.cache_rules) == (30, True, (("secret/*", 5.0),))
    assert (config.allow, config.deny) == ((("GET", "secret/data/*"), ("", "database/creds/app")), (("POST", "secret/*"),))
    assert (config.listen, config.cache_bytes) == (("127.0.0.2", 9000), 1024**2)
    assert config.auth_role == "records"


def test_what_is_not_set_is_empty() -> None:
    """Without a word on caching, files or roles there are none."""
    config = load(NEEDED)
    assert (config.cache_rules, config.cache_ttl_s, config.cache_always) == ((), None, False)
    assert (config.allow, config.deny) == ((), ())
    assert (config.files, config.assumed_role_arn, config.sts_endpoint, config.run_mode) == ((), None, None, "default")
    tls = config.tls
    assert [tls.ca_file, tls.ca_folder, tls.client_certificate, tls.client_key, tls.server_name] == [None] * 5


def test_tls_is_as_vaults_own_tools_have_it() -> None:
    """Each of Vault's variables about TLS reaches its place."""
    environ = {
        "VAULT_CACERT": "/ca.pem",
        "VAULT_CAPATH": "/cas",
        "VAULT_CLIENT_CERT": "/cert.pem",
        "VAULT_CLIENT_KEY": "/key.pem",
        "VAULT_TLS_SERVER_NAME": "vault.internal",
        "VAULT_SKIP_VERIFY": "true",
    }
    tls = load(NEEDED | environ).tls
    assert (tls.ca_file, tls.ca_folder, tls.server_name) == ("/ca.pem", "/cas", "vault.internal")
    assert (tls.client_certificate, tls.client_key, tls.verify) == ("/cert.pem", "/key.pem", False)


def test_the_cache_for_all_needs_its_time() -> None:
    """To keep every read without saying how long is a problem, not a silent default."""
    assert problems(VAULT_DEFAULT_CACHE_ENABLED="true") == (
        "VAULT_DEFAULT_CACHE_ENABLED needs VAULT_DEFAULT_CACHE_TTL: say how long, such as 30s",
    )


def test_file_mode_needs_a_file() -> None:
    """A run mode that serves files only, with no file to serve, is a problem."""
    assert problems(VAULT_RUN_MODE="File") == (
        "VAULT_RUN_MODE=file has nothing to serve: set VAULT_SECRET_PATH, or another mode",
    )


def test_files_change_the_start() -> None:
    """Where files are written the extension is ready before the function starts, unless told otherwise; `proxy` writes none."""
    path = {"VAULT_SECRET_PATH": "secret/data/app"}
    assert (load(NEEDED | path).start, len(load(NEEDED | path).files)) == ("ready", 1)
    assert load(NEEDED | path | {"VAULTGATE_START": "early"}).start == "early"
    assert load(NEEDED | path | {"VAULT_RUN_MODE": "file"}).start == "ready"
    proxied = load(NEEDED | path | {"VAULT_RUN_MODE": "proxy"})
    assert (proxied.start, proxied.files) == ("overlap", ())


def test_a_template_keeps_its_blanks() -> None:
    """Blanks at the ends of a template belong to the file."""
    environ = {"VAULT_SECRET_PATH": "a/b", "VAULTGATE_FILE_FORMAT": "template", "VAULTGATE_FILE_TEMPLATE": " {{ #c }}\n"}
    (plan,) = load(NEEDED | environ).files
    assert [(before, field) for before, _, field in plan.places] == [(" ", "c"), ("\n", "")]


def test_sts_is_where_awss_sdks_were_told() -> None:
    """The endpoint of STS wins over that of all services; one that is no URL is left to the SDKs to report."""
    everywhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}
    assert load(NEEDED | everywhere).sts_endpoint == Origin("http", "127.0.0.1", 4566)
    assert load(NEEDED | everywhere | {"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:5000"}).sts_endpoint == Origin(
        "http", "127.0.0.1", 5000
    )
    assert load(NEEDED | {"AWS_ENDPOINT_URL": "nowhere"}).sts_endpoint is None


# --- how to log in ---

ROLE_ID = {"VAULTGATE_AUTH_METHOD": "approle", "VAULTGATE_APPROLE_ROLE_ID": "a"}


@pytest.mark.parametrize(
    ("environ", "method", "mount"),
    [
        ({}, "aws", "aws"),
        ({"VAULT_AUTH_PROVIDER": "approle"}, "aws", "approle"),
        (ROLE_ID, "approle", "approle"),
        (ROLE_ID | {"VAULT_AUTH_PROVIDER": "aws", "VAULTGATE_AUTH_METHOD": "AppRole"}, "approle", "aws"),
    ],
)
def test_mount_and_method_are_two_things(environ: dict[str, str], method: str, mount: str) -> None:
    """VAULT_AUTH_PROVIDER names a mount, whatever it is called, as in HashiCorp's extension; the method has its own name."""
    config = load(NEEDED | environ)
    assert (config.auth_method, config.auth_mount) == (method, mount)


def test_an_approle_needs_no_role_and_no_secret_id() -> None:
    """The role_id says which role it is, and a role need not bind a secret_id."""
    config = load({"VAULT_ADDR": NEEDED["VAULT_ADDR"], **ROLE_ID})
    assert (config.auth_role, config.approle.role_id, config.approle.secret_id) == ("", "a", None)


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"VAULTGATE_APPROLE_ROLE_ID": "a"}, "VAULTGATE_APPROLE_ROLE_ID needs VAULTGATE_AUTH_METHOD=approle"),
        ({"VAULTGATE_AUTH_METHOD": "approle"}, "VAULTGATE_APPROLE_ROLE_ID_FILE is missing"),
        (
            ROLE_ID | {"VAULTGATE_APPROLE_ROLE_ID_FILE": "/srv/role-id"},
            "VAULTGATE_APPROLE_ROLE_ID and VAULTGATE_APPROLE_ROLE_ID_FILE",
        ),
        (
            ROLE_ID | {"VAULTGATE_APPROLE_SECRET_ID_FILE": "/srv/a", "VAULTGATE_APPROLE_SECRET_ID": "b"},
            "VAULTGATE_APPROLE_SECRET_ID and VAULTGATE_APPROLE_SECRET_ID_FILE exclude each other",
        ),
        (ROLE_ID | {"VAULTGATE_APPROLE_WRAPPING_PATH": "a/b"}, "VAULTGATE_APPROLE_WRAPPING_PATH needs"),
    ],
)
def test_what_a_login_needs_is_named(environ: dict[str, str], problem: str) -> None:
    """What is missing for the auth method, and what belongs to another one, is one problem."""
    found = problems(**environ)
    assert [one.startswith(problem) for one in found] == [True]


def test_a_secret_id_is_never_shown() -> None:
    """Neither a problem nor the configuration's parts repeat it."""
    config = load(NEEDED | ROLE_ID | {"VAULTGATE_APPROLE_SECRET_ID": "planted"})
    assert config.approle.secret_id is not None
    assert config.approle.secret_id.reveal() == "planted"
    assert "planted" not in repr(config.approle.secret_id)
    assert not any("planted" in one for one in problems(VAULTGATE_APPROLE_SECRET_ID="planted"))


def test_a_snapshot_holds_nothing_that_was_fetched() -> None:
    """With SnapStart neither a token nor a file may come before the snapshot: both are told, and elsewhere both are fine."""
    early = NEEDED | {"VAULTGATE_START": "ready", "VAULT_SECRET_PATH": "secret/data/app"}
    assert load(early).start == "ready"
    with pytest.raises(ConfigurationError) as refused:
        load(early | {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"})
    why = "can't be used with SnapStart: the snapshot would hold what it fetched, for every sandbox that is restored from it"
    assert refused.value.problems == (
        f"VAULTGATE_START=ready {why}; leave it out",
        f"VAULT_SECRET_PATH {why}; read through the proxy or vaultgate.client instead",
    )
    assert load(NEEDED | {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}).start == "overlap"


@pytest.mark.parametrize(("text", "on"), [(None, False), ("off", False), ("EMF", True)])
def test_metrics(text: str | None, *, on: bool) -> None:
    """Metrics are written where they are asked for."""
    assert load(NEEDED | ({} if text is None else {"VAULTGATE_METRICS": text})).metrics is on


@pytest.mark.parametrize(("text", "limit"), [("10", (10, 10)), ("10:20", (10, 20)), ("2.5", (2.5, 2)), ("0.1", (0.1, 1))])
def test_rate_limit(text: str, limit: tuple[float, int]) -> None:
    """A rate, and a burst after a colon; without one a second's worth may come at once, one request at least."""
    assert load(NEEDED | {"VAULT_RATE_LIMIT": text}).rate_limit == limit
    assert load(NEEDED).rate_limit is None


def test_a_files_place_may_be_relative() -> None:
    """A place that isn't absolute is below /tmp/vault, as in HashiCorp's extension."""
    paths = {"VAULT_SECRET_PATH_A": "secret/data/a", "VAULT_SECRET_PATH_B": "secret/data/b"}
    plans = load(NEEDED | paths | {"VAULT_SECRET_FILE_A": "a.json", "VAULT_SECRET_FILE_B": "b/b.json"}).files
    assert [plan.file for plan in plans] == ["/tmp/vault/a.json", "/tmp/vault/b/b.json"]  # noqa: S108 - nothing is written
