"""The declarative file: what it may say, and that all its problems are told at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.bootstrap import load
from vaultgate_ops.bootstrap.model import Hidden
from vaultgate_ops.errors import UsageProblem
from vaultgate_ops.local.paths import checkout

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = checkout() / "vault-config" / "vault.yaml"
PASSWORD = "Tr0ub4dor&3"


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    """What has to be given for the file that ships."""
    authority = tmp_path / "ca.pem"
    authority.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", encoding="ascii")
    return {
        "FUNCTION_ROLE_ARN": "arn:aws:iam::123456789012:role/vaultgate-records",
        "VAULT_SERVER_ID": "vault.example.com",
        "AWS_REGION": "eu-central-1",
        "DATABASE_HOST": "db.example.com",
        "DATABASE_ADMIN_PASSWORD": PASSWORD,
        "DATABASE_CA_FILE": str(authority),
    }


def written(folder: Path, text: str) -> Path:
    """A declarative file of our own."""
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path, given: dict[str, str], **how: object) -> list[str]:
    """What is wrong with a file."""
    with pytest.raises(UsageProblem) as refusal:
        load(path, given, **how)  # type: ignore[arg-type]  # passed on as it is
    assert refusal.value.exit_code == 2
    assert PASSWORD not in refusal.value.message
    return refusal.value.message.split("\n  ")[1:]


def test_the_file_that_ships_is_fine_with_production_defaults(given: dict[str, str]) -> None:
    """With only the required variables: STS of the region, unique ids resolved, port 3306."""
    values = {resource.path: resource.values for resource in load(SHIPPED, given).resources}

    assert values["auth/aws/config/client"]["sts_endpoint"] == "https://sts.eu-central-1.amazonaws.com"
    assert values["auth/aws/config/client"]["sts_region"] == "eu-central-1"
    assert values["auth/aws/role/records"]["resolve_aws_unique_ids"] is True
    assert values["auth/aws/role/records"]["token_ttl"] == 3600
    assert values["database/config/shop"]["connection_url"] == "{{username}}:{{password}}@tcp(db.example.com:3306)/"
    assert values["database/config/shop"]["password"] == Hidden(PASSWORD)
    assert values["database/roles/records"]["creation_statements"] == (
        "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}' REQUIRE SSL",
        "GRANT SELECT ON `shop`.`orders` TO '{{name}}'@'%'",
    )


def test_what_is_loaded_doesnt_print_the_password(given: dict[str, str]) -> None:
    """The repr of what is wanted has no secret."""
    assert PASSWORD not in repr(load(SHIPPED, given))


MALFORMED = """\
variables:
  HOST: {about: the database's host}
  PORT: {type: number, default: 3306}
  PASSWORD: {secret: true}
  COLOUR: {type: colour, default: red}
audits: {}
audit:
  file:
    type: file
    options: {file_path: /log, mode: 0600, file_pat: /x}
policies:
  Records: records.hcl
  root: records.hcl
  gone: gone.hcl
auth:
  aws:
    type: aws
    tune: {default_lease_tll: 1h}
    roles:
      records:
        bound_iam_principal_arn: arn:aws:iam::1:role/x
        resolve_aws_unique_ids: "no"
        token_ttl: soon
        token_type: bach
        token_type: batch
  azure: {type: azure}
secrets:
  database:
    type: database
    connections:
      shop:
        plugin_name: mysql-database-plugin
        connection_url: "root:geheim@tcp(${HOST}:${PORTT})/"
        username: ${PASSWORD}
        password: typed-in
    roles:
      records: {db_name: shop}
    static_roles:
      fixed: {db_name: shop, username: fixed}
  secret:
    type: kv
    options: {version: 2}
    description: "kept with ${PASSWORD}"
    seeds: {records: text}
"""


def test_every_problem_is_told_at_once_with_its_line_and_the_nearest_name(tmp_path: Path) -> None:
    """A file with many mistakes, and variables with more: each is named, in the order of the file, none is lost."""
    (tmp_path / "records.hcl").write_text('path "x" {}', encoding="utf-8")
    path = written(tmp_path, MALFORMED)
    shop, fixed = "secrets.database.connections.shop", "secrets.database.static_roles.fixed"

    assert problems(path, {"HOTS": "db", "PORT": "many", "PASSWORD": PASSWORD}) == [
        "unknown variable HOTS; did you mean HOST?",
        "variable HOST is not set: the database's host",
        "variable PORT: 'many' must be a whole number",
        "line 5, variables.COLOUR.type: unknown type 'colour'; there are text, number, switch, file",
        "line 6, audits: unknown section; did you mean audit?",
        "line 10, audit.file.options.file_pat: unknown key of the audit device; did you mean file_path?",
        "line 10, audit.file.options.mode: must be text (in quotes, if it looks like a number), not 384",
        "line 12, policies.Records: Vault keeps this name in small letters: write records",
        "line 13, policies.root: the policy root is Vault's own",
        f"line 14, policies.gone: {tmp_path}/gone.hcl can't be read: No such file or directory",
        "line 18, auth.aws.tune.default_lease_tll: unknown key of the auth method; did you mean default_lease_ttl?",
        "line 21, auth.aws.roles.records.bound_iam_principal_arn: must be a list of texts, not 'arn:aws:iam::1:role/x'",
        "line 22, auth.aws.roles.records.resolve_aws_unique_ids: must be true or false, not 'no'",
        "line 23, auth.aws.roles.records.token_ttl: must be a duration such as 10m, 1h30m or 3600 (seconds), not 'soon'",
        "line 25, auth.aws.roles.records.token_type: stands here a second time",
        "line 26, auth.azure.type: bootstrap keeps aws here",
        f"line 33, {shop}.connection_url: unknown variable PORTT; did you mean PORT?",
        f"line 34, {shop}.username: a secret variable doesn't belong here: this setting is shown in diffs",
        f"line 35, {shop}.password: a secret doesn't belong in this file: write ${{VARIABLE}} and declare it with secret: true",
        "line 37, secrets.database.roles.records: the database role needs creation_statements",
        f"line 39, {fixed}: the static database role needs one of rotation_period and rotation_schedule",
        "line 42, secrets.secret.options.version: must be text (in quotes, if it looks like a number), not 2",
        "line 43, secrets.secret.description: a secret variable doesn't belong here: this setting is shown in diffs",
        "line 44, secrets.secret.seeds.records: must be a mapping",
    ]


WHOLE = "the file must be a mapping with the sections variables, audit, policies, password_policies, auth, secrets"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", WHOLE),
        ("- a\n- b\n", WHOLE),
        ("audit: []\n", "line 1, audit: must be a mapping of names"),
        ("variables: [A]\n", "line 1, variables: must be a mapping of names"),
        ("variables: {A: text}\n", "line 1, variables.A: must be a mapping: about, type, default, secret, pattern"),
        ("policies: {a: [a.hcl]}\n", "line 1, policies.a: must be the path of an .hcl file, relative to this one"),
        ("variables: {port: {}}\n", "line 1, variables.port: a variable's name has capital letters, digits and _"),
        ("variables: {A: {defualt: x}}\n", "line 1, variables.A.defualt: unknown key; did you mean default?"),
        ("variables: {A: {secret: true, default: x}}\n", "line 1, variables.A.default: a secret has no default"),
        ("variables: {A: {pattern: '('}}\n", "line 1, variables.A.pattern: is no regular expression: "),
        ("audit: {file: {type: file}}\n", "line 1, audit.file: the audit device needs file_path"),
        ("audit: {file: {type: flie, file_path: /x}}\n", "line 1, audit.file.type: must be file, not 'flie'; did you mean file?"),
        ("audit: {file: {type: file, file_path: }}\n", "line 1, audit.file.file_path: has no value"),
        ("password_policies: {a: [1]}\n", "line 1, password_policies.a: must be the path of an .hcl file, relative to this one"),
        ("policies: {a/: a.hcl}\n", "line 1, policies.a/: a name has letters, digits and _, and within it also - . /"),
        (
            "secrets: {d: {type: database, connections: {c: {connection_url: 'root:geheim@tcp(h)/'}}}}\n",
            (
                "line 1, secrets.d.connections.c.connection_url: must be an address that leaves the credential to Vault: "
                "{{username}}:{{password}}@tcp(host:port)/, not 'root:(hidden)@tcp(h)/'"
            ),
        ),
        ("auth: {aws: {type: aws, roles: [x]}}\n", "line 1, auth.aws.roles: must be a mapping of names"),
        (
            "auth: {aws: {type: aws, client: x}}\n",
            "line 1, auth.aws.client: must be a mapping: the fields of the AWS client configuration",
        ),
        ("auth: {aws: {type: aws, tune: 1h}}\n", "line 1, auth.aws.tune: must be a mapping"),
        ("secrets: {s: {type: kv, roles: {}}}\n", "line 1, secrets.s.roles: unknown key of the secrets engine"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, problem: str) -> None:
    """One mistake, one sentence that says where and what."""
    assert any(line.startswith(problem) for line in problems(written(tmp_path, text), {}))


@pytest.mark.parametrize(
    ("text", "reason"), [("a: [1\n", "(line 2)"), ("a: \t- b", "(line 1)"), ("a: !!python/name:os.system x", "(line 1)")]
)
def test_what_is_no_yaml_is_one_sentence(tmp_path: Path, text: str, reason: str) -> None:
    """Broken YAML, and YAML that asks for more than plain values, names the line."""
    with pytest.raises(UsageProblem, match=re.escape(reason)):
        load(written(tmp_path, text), {})


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    """A file that isn't there is named."""
    with pytest.raises(UsageProblem, match=r"nowhere\.yaml can't be read: No such file"):
        load(tmp_path / "nowhere.yaml", {})


class TestVariables:
    def test_given_beats_environment_beats_default(self, given: dict[str, str]) -> None:
        """What is given wins, then the environment, then the file's default; empty is not given."""
        desired = load(
            SHIPPED,
            {**given, "DATABASE_TABLE": "customers", "DATABASE_NAME": ""},
            environment={"DATABASE_TABLE": "ignored", "DATABASE_PORT": "3307", "SOMETHING_ELSE": "x"},
        )

        values = {resource.path: resource.values for resource in desired.resources}
        assert "`shop`.`customers`" in str(values["database/roles/records"]["creation_statements"])
        assert "db.example.com:3307" in str(values["database/config/shop"]["connection_url"])

    def test_a_secret_on_the_command_line_is_refused(self, given: dict[str, str]) -> None:
        """Every process of the machine can read a command line, so a secret has to come another way; the text says which."""
        name = "DATABASE_ADMIN_PASSWORD"
        assert problems(SHIPPED, given, on_command_line=True) == [
            f"{name} is secret and command lines can be read by others: give {name}_FILE=path instead"
        ]

    def test_a_secret_comes_from_a_file_or_the_environment(self, given: dict[str, str], tmp_path: Path) -> None:
        """A secret's file is read without its last line end."""
        del given["DATABASE_ADMIN_PASSWORD"]
        secret = tmp_path / "password"
        secret.write_text(f"{PASSWORD}\n", encoding="utf-8")

        from_file = load(SHIPPED, {**given, "DATABASE_ADMIN_PASSWORD_FILE": str(secret)}, on_command_line=True)
        from_environment = load(SHIPPED, given, environment={"DATABASE_ADMIN_PASSWORD": PASSWORD}, on_command_line=True)

        assert from_file == from_environment

    def test_a_missing_secret_says_how_to_give_it(self, given: dict[str, str]) -> None:
        """The message names both ways."""
        del given["DATABASE_ADMIN_PASSWORD"]

        assert problems(SHIPPED, given)[0].startswith(
            "variable DATABASE_ADMIN_PASSWORD (or DATABASE_ADMIN_PASSWORD_FILE, a path) is not set"
        )

    @pytest.mark.parametrize(
        ("name", "wrong"),
        [
            ("FUNCTION_ROLE_ARN", "arn:aws:sts::123456789012:assumed-role/x/y"),
            ("FUNCTION_ROLE_ARN", "arn:aws:iam::123456789012:role/*"),
            ("DATABASE_TABLE", "orders TO 'x'; DROP TABLE orders"),
            ("DATABASE_TABLE", "orders` TO 'x'@'%' -- "),
            ("DATABASE_HOST", "db)/?allowAllFiles=true#("),
            ("AWS_REGION", "us-east-1.evil.example/"),
            ("AWS_UNIQUE_IDS", "perhaps"),
            ("DATABASE_PORT", "3306)/"),
            ("DATABASE_PORT", "٣٣٠٦"),
            ("DATABASE_CA_FILE", "/nowhere/ca.pem"),
        ],
    )
    def test_a_value_that_could_mean_more_than_it_says_is_refused(self, given: dict[str, str], name: str, wrong: str) -> None:
        """A wildcard in a role's ARN, SQL in a table's name, an address in a host: none gets into Vault."""
        assert problems(SHIPPED, {**given, name: wrong})[0].startswith(f"variable {name}: ")
