"""Vault Agent's configuration: what each key becomes, and what is said of those that aren't supported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from vaultgate import config
from vaultgate.agent_config import Agent
from vaultgate.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

KV = '{{ with secret "secret/data/app" }}key={{ .Data.data.api_key }}{{ end }}'


def files(**named: str) -> Callable[[str], str]:
    """A disk with these files."""

    def read(file: str) -> str:
        if file not in named:
            raise FileNotFoundError(2, "No such file or directory")
        return named[file]

    return read


def agent(document: Any, **named: str) -> Agent:
    """A configuration, understood."""
    return Agent(json.dumps(document), files(**named))


def template(contents: str, **more: Any) -> dict[str, Any]:
    return {"template": {"contents": contents, "destination": "/tmp/app", **more}}  # noqa: S108 - nothing is written


@pytest.mark.parametrize(
    ("document", "texts"),
    [
        (
            {"vault": {"address": "https://v:8200", "ca_cert": "/c", "ca_path": "/d", "tls_skip_verify": True, "namespace": "n"}},
            {
                "VAULT_ADDR": "https://v:8200",
                "VAULT_CACERT": "/c",
                "VAULT_CAPATH": "/d",
                "VAULT_SKIP_VERIFY": "true",
                "VAULT_NAMESPACE": "n",
            },
        ),
        (
            {"vault": [{"client_cert": "/a", "client_key": "/b", "tls_server_name": "v", "retry": {"num_retries": 3}}]},
            {"VAULT_CLIENT_CERT": "/a", "VAULT_CLIENT_KEY": "/b", "VAULT_TLS_SERVER_NAME": "v", "VAULT_MAX_RETRIES": "3"},
        ),
        ({"vault": {"retry": {"num_retries": -1}}}, {"VAULT_MAX_RETRIES": "0"}),
        ({"vault": {"retry": {"num_retries": 0}}}, {}),
        ({"vault": {"retry": {"num_retries": "4"}}}, {"VAULT_MAX_RETRIES": "4"}),
        ({"template_config": {"exit_on_retry_failure": "true"}}, {"VAULTGATE_START": "ready"}),
        (
            {
                "auto_auth": {
                    "method": {
                        "type": "aws",
                        "mount_path": "auth/team/aws",
                        "namespace": "n",
                        "config": {"type": "iam", "role": "app", "region": "eu-west-1", "header_value": "id"},
                    }
                }
            },
            {
                "VAULTGATE_AUTH_METHOD": "aws",
                "VAULT_AUTH_PROVIDER": "team/aws",
                "VAULT_NAMESPACE": "n",
                "VAULT_AUTH_ROLE": "app",
                "VAULT_STS_ENDPOINT_REGION": "eu-west-1",
                "VAULT_IAM_SERVER_ID": "id",
            },
        ),
        (
            {
                "auto_auth": [
                    {
                        "method": [
                            {
                                "approle": {
                                    "config": {
                                        "role_id_file_path": "/r",
                                        "secret_id_file_path": "/s",
                                        "secret_id_response_wrapping_path": "auth/approle/role/app/secret-id",
                                        "remove_secret_id_file_after_reading": False,
                                    }
                                }
                            }
                        ]
                    }
                ]
            },
            {
                "VAULTGATE_AUTH_METHOD": "approle",
                "VAULTGATE_APPROLE_ROLE_ID_FILE": "/r",
                "VAULTGATE_APPROLE_SECRET_ID_FILE": "/s",
                "VAULTGATE_APPROLE_WRAPPING_PATH": "auth/approle/role/app/secret-id",
            },
        ),
        (
            template(KV, perms="0640", create_dest_dirs=True, error_on_missing_key=True),
            {
                "VAULT_SECRET_PATH_AGENT1": "secret/data/app",
                "VAULT_SECRET_FILE_AGENT1": "/tmp/app",  # noqa: S108 - as above
                "VAULTGATE_FILE_AGENT1_FORMAT": "template",
                "VAULTGATE_FILE_AGENT1_TEMPLATE": "key={{ secret/data/app#api_key }}",
                "VAULTGATE_FILE_AGENT1_MODE": "0640",
            },
        ),
        ({"template_config": {"exit_on_retry_failure": True}}, {"VAULTGATE_START": "ready"}),
        (
            {"template_config": {"exit_on_retry_failure": False, "static_secret_render_interval": "30s"}},
            {"VAULTGATE_START": "overlap", "VAULT_DEFAULT_CACHE_TTL": "30s"},
        ),
        ({"cache": {"use_auto_auth_token": True}, "api_proxy": {"use_auto_auth_token": True}}, {}),
        (
            {"listener": [{"tcp": {"address": "127.0.0.1:8100", "tls_disable": True, "require_request_header": True}}]},
            {"VAULTGATE_LISTEN": "127.0.0.1:8100"},
        ),
        ({"listener": {"type": "tcp", "address": "127.0.0.1:8100"}}, {"VAULTGATE_LISTEN": "127.0.0.1:8100"}),
        ({"log_level": "debug", "exit_after_auth": False, "pid_file": ""}, {"VAULT_LOG_LEVEL": "debug"}),
    ],
)
def test_keys_become_settings(document: Any, texts: dict[str, str]) -> None:
    """Every supported key is a setting's text; what only says what happens anyway changes nothing."""
    understood = agent(document)
    assert (understood.problems, understood.texts) == ([], texts)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"telemetry": {}}, "telemetry is not supported"),
        ({"exec": {}}, "exec is not supported"),
        ({"env_template": {}}, "env_template is not supported"),
        ({"exit_after_auth": True}, "exit_after_auth can only be false here"),
        ({"vault": {"address": ["a"]}}, "vault.address must be a text or a number"),
        ({"vault": "https://v"}, "vault must be one object"),
        ({"vault": [{}, {}]}, "vault must be one object"),
        ([], "the file must be one object"),
        ({"auto_auth": {"method": {"type": "kubernetes"}}}, "auto_auth.method: the type 'kubernetes' is not supported"),
        ({"auto_auth": {"method": {"aws": {"config": {"type": "ec2"}}}}}, 'auto_auth.method.config.type can only be "iam" here'),
        (
            {"auto_auth": {"method": {"aws": {"config": {"access_key": "AKIA"}}}}},
            "auto_auth.method.config.access_key is not supported",
        ),
        ({"auto_auth": {"method": {"aws": {"wrap_ttl": "5m"}}}}, "auto_auth.method.wrap_ttl is not supported"),
        (
            {"auto_auth": {"method": {"approle": {"config": {"remove_secret_id_file_after_reading": True}}}}},
            "auto_auth.method.config.remove_secret_id_file_after_reading can only be false here",
        ),
        ({"auto_auth": {"sink": {"type": "http"}}}, "auto_auth.sink[1]: the type 'http' is not supported"),
        (
            {"auto_auth": {"sink": {"file": {"wrap_ttl": "5m", "config": {"path": "/t"}}}}},
            "auto_auth.sink[1].wrap_ttl is not supported",
        ),
        ({"auto_auth": {"sink": {"file": {"config": {"path": "token"}}}}}, "auto_auth.sink[1].config.path must be the absolute"),
        (
            {"auto_auth": {"sink": {"file": {"config": {"path": "/t", "mode": "0600"}}}}},
            "auto_auth.sink[1].config.mode must be permission bits as a number",
        ),
        ({"cache": {"persist": {}}}, "cache.persist is not supported"),
        ({"cache": {"use_auto_auth_token": "force"}}, "cache.use_auto_auth_token can only be true here: the extension's own"),
        ({"listener": {"unix": {}}}, "listener[1]: the type 'unix' is not supported"),
        ({"listener": {"tcp": {"tls_disable": False}}}, "listener[1].tls_disable can only be true here: the door is on loopback"),
        ({"template": {"destination": "/a"}}, "template[1] needs source or contents"),
        ({"template": {"source": "/s", "contents": KV}}, "template[1] needs source or contents"),
        ({"template": {"source": "/gone"}}, "template[1].source: /gone can't be read"),
        (template("no secret"), "template[1] reads no secret"),
        (template('{{ key "a" }}'), 'template[1]: {{ key "a" }} is not supported: with secret "path"'),
        (template('{{ with secret "a" }}{{ .Data.x | f }}{{ end }}'), "template[1]: {{ .Data.x | f }} is not supported"),
        (template('{{ with secret "a" "b=c" }}{{ end }}'), 'template[1]: {{ with secret "a" "b=c" }} is not supported'),
        (template("{{ .Data.x }}"), "template[1]: {{ .Data.x }} is not supported"),
        (template(KV, command="reload"), "template[1].command is not supported"),
        (template(KV, error_on_missing_key=False), "template[1].error_on_missing_key can only be true here"),
    ],
)
def test_what_is_not_supported_is_named(document: Any, problem: str) -> None:
    """No key is passed over in silence, and the place of each problem is told."""
    [said] = agent(document).problems
    assert said.startswith(problem)


@pytest.mark.parametrize(
    ("key", "document"),
    [
        ("vault.retry.num_retries", {"vault": {"retry": {"num_retries": "some"}}}),
        ("vault.retry.num_retries", {"vault": {"retry": {"num_retries": True}}}),
        ("vault.retry.num_retries", {"vault": {"retry": {"num_retries": None}}}),
        ("template_config.exit_on_retry_failure", {"template_config": {"exit_on_retry_failure": "sometimes"}}),
    ],
)
def test_a_value_that_says_nothing_is_named(key: str, document: Any) -> None:
    """It is neither passed over nor taken for the opposite."""
    (problem,) = agent(document).problems
    assert problem.startswith(f"{key} must be")


@pytest.mark.parametrize(("perms", "mode"), [("0640", "0640"), ("640", "640"), (416, "0640"), (384, "0600"), (0, "0000")])
def test_permissions_as_a_number_are_bits(perms: object, mode: str) -> None:
    """JSON has no octal numbers: 416 is 0640, and never 0416, which others could write."""
    assert agent(template(KV, perms=perms)).texts["VAULTGATE_FILE_AGENT1_MODE"] == mode


def test_all_problems_are_told_at_once() -> None:
    """One run tells all."""
    assert len(agent({"telemetry": {}, "vault": {"nonsense": 1}, "cache": {"persist": {}}}).problems) == 3


def test_hcl_is_told_apart() -> None:
    """Whoever brings Vault Agent's usual form hears what to do."""
    assert "has to be written as JSON" in Agent('vault { address = "https://v" }', files()).problems[0]


@pytest.mark.parametrize(
    ("contents", "text"),
    [
        ('{{ with secret "a/b" -}}\n  x={{ .Data.y }}\n{{- end }}\n', "x={{ a/b#y }}\n"),
        ('{{with secret "a"}}{{.Data.data.y}}{{end}}', "{{ a#y }}"),
        ('{{ with secret "a" }}{{ index .Data.data "my-key" }}{{ end }}', "{{ a#my-key }}"),
        (
            '{{ with secret "a" }}{{ .Data.x }}{{ with secret "b" }}{{ .Data.y }}{{ end }}{{ .Data.z }}{{ end }}',
            "{{ a#x }}{{ b#y }}{{ a#z }}",
        ),
        ('before {{ with secret "a" }} {{ .Data.x }} {{ end }} after', "before  {{ a#x }}  after"),
    ],
)
def test_templates_are_translated(contents: str, text: str) -> None:
    """Blanks, trimmed or not, are Consul Template's; a field belongs to the innermost secret."""
    assert agent(template(contents)).texts["VAULTGATE_FILE_AGENT1_TEMPLATE"] == text


def test_a_template_may_come_from_a_file() -> None:
    """`source` names it; several templates are told apart."""
    understood = agent({"template": [template(KV)["template"], {"source": "/t", "destination": "/b"}]}, **{"/t": KV})
    assert understood.problems == []
    assert understood.texts["VAULTGATE_FILE_AGENT2_TEMPLATE"] == understood.texts["VAULTGATE_FILE_AGENT1_TEMPLATE"]
    assert understood.texts["VAULT_SECRET_FILE_AGENT2"] == "/b"


def test_sinks_are_files_with_their_bits() -> None:
    """Without a mode the file is its owner's alone."""
    sinks = [{"file": {"config": {"path": "/a"}}}, {"file": {"config": {"path": "/b", "mode": 0o640}}}]
    assert agent({"auto_auth": {"sinks": sinks}}).sinks == [("/a", 0o600), ("/b", 0o640)]


ENVIRONMENT = {"VAULTGATE_CONFIG": "/agent.json", "VAULT_AUTH_ROLE": "app"}
SINK = json.dumps({"vault": {"address": "https://v"}, "auto_auth": {"sink": {"file": {"config": {"path": "/t"}}}}})


def test_a_variable_wins_over_the_file() -> None:
    """As with Vault Agent; what the environment leaves out comes from the file."""
    text = json.dumps({"vault": {"address": "https://file", "namespace": "n"}})
    loaded = config.load({**ENVIRONMENT, "VAULT_ADDR": "https://variable"}, files(**{"/agent.json": text}))
    assert (loaded.vault.host, loaded.namespace) == ("variable", "n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "/agent.json can't be read"),
        ("{", "is not JSON"),
        (json.dumps({"vault": {"address": "https://v"}, "telemetry": {}}), "telemetry is not supported"),
        (json.dumps({"vault": {"address": "ftp://v"}}), "VAULT_ADDR='ftp://v'"),
        (SINK, "set VAULTGATE_ALLOW_SINK=true if that is meant"),
    ],
)
def test_a_bad_file_fails_the_init(text: str | None, words: str) -> None:
    """The problem names the setting, the file and what is wrong in it, beside all others."""
    with pytest.raises(ConfigurationError) as caught:
        config.load(ENVIRONMENT, files(**({} if text is None else {"/agent.json": text})))
    assert any(words in problem for problem in caught.value.problems)


def test_a_sink_needs_to_be_allowed() -> None:
    """Then it is in the configuration."""
    loaded = config.load({**ENVIRONMENT, "VAULTGATE_ALLOW_SINK": "true"}, files(**{"/agent.json": SINK}))
    assert loaded.sinks == (("/t", 0o600),)
