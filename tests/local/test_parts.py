"""Each part of the stack, as real as it gets, on the stack that the worker's tests share."""

from __future__ import annotations

import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import botocore.exceptions
import pymysql
import pytest
import requests

from vaultgate_ops.local import markers
from vaultgate_ops.local.processes import PortTaken
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate_ops.local.stack import Stack

    Eventually = Callable[[Callable[[], object]], None]

pytestmark = pytest.mark.stack

LOOPBACK = "0100007F"  # 127.0.0.1 in /proc/net/tcp


def listeners(pid: int) -> set[tuple[str, int]]:
    """Hexadecimal address and port of every TCP socket that a process listens on (proc(5), /proc/net/tcp)."""
    inodes = {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.is_symlink()}
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                address, _, port = fields[1].partition(":")
                listening.add((address, int(port, 16)))
    return listening


def secrets(stack: Stack) -> dict[str, str]:
    """Every secret that the stack's set-up made."""
    return {
        "root token": stack.vault.root_token,
        "unseal key": (stack.folder / "vault" / "unseal-key").read_text(),
        "root password": (stack.folder / "database" / "root-password").read_text(),
        "vault_admin's password": stack.database.vault_password,
        "administrator's key": stack.aws.administrator.secret_key,
    }


def test_vault_keeps_everything_over_a_restart(stack: Stack) -> None:
    """After a restart it has the same address and data, and is unsealed; the process is another one."""
    address, (before,) = stack.vault.address, markers.find(stack.folder, "vault")
    with stack.vault.client() as client:
        client.secrets.kv.v2.create_or_update_secret("restart", {"kept": "yes"}, mount_point="secret")
    stack.vault.restart()
    (after,) = markers.find(stack.folder, "vault")
    assert (stack.vault.address, after.identity == before.identity) == (address, False)
    with stack.vault.client() as client:
        read = client.secrets.kv.v2.read_secret_version("restart", mount_point="secret", raise_on_deleted_version=False)
    assert read["data"]["data"] == {"kept": "yes"}


def test_vault_is_reached_over_tls_only(stack: Stack) -> None:
    """Plain HTTP gets nothing from it, and a client that doesn't know the authority refuses it."""
    with requests.Session() as session:
        session.trust_env = False
        plain = session.get(stack.vault.address.replace("https", "http") + "/v1/sys/health", timeout=5)
        assert (plain.status_code, "HTTP request to an HTTPS server" in plain.text) == (400, True)
        with pytest.raises(requests.exceptions.SSLError):
            session.get(stack.vault.address + "/v1/sys/health", timeout=5)


def test_the_users_vault_variables_do_not_disturb_the_client(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client of ours talks to our Vault with our token, whatever VAULT_* and proxies say."""
    for name in ("VAULT_ADDR", "VAULT_TOKEN", "VAULT_NAMESPACE", "VAULT_CACERT", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with stack.vault.client() as client:
        assert client.lookup_token()["data"]["policies"] == ["root"]


def test_the_database_keeps_everything_over_a_restart(stack: Stack) -> None:
    """After a restart it has the same address and rows."""
    address = stack.database.address
    stack.database.restart()
    with stack.database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM shop.orders")
        assert (stack.database.address, cursor.fetchall()) == (address, ((42,),))


def test_the_database_knows_nobody_without_a_password(stack: Stack) -> None:
    """There is no anonymous account, none without a password, and one root, who may come from 127.0.0.1 alone."""
    with stack.database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT user, host FROM mysql.user WHERE user IN ('', 'root', 'mysql', 'vault_admin', 'records_static')")
        assert set(cursor.fetchall()) == {("root", "127.0.0.1"), ("vault_admin", "%"), ("records_static", "%")}
    for user in ("root", "vault_admin", "records_static", ""):
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            stack.database.connect(user, "")


def test_the_database_is_reached_over_tls_only(stack: Stack) -> None:
    """Every account asks for TLS, and the server asks for it even where an account doesn't."""
    with stack.database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT ssl_type FROM mysql.user WHERE user IN ('root', 'vault_admin', 'records_static')")
        assert cursor.fetchall() == (("ANY",),) * 3
        cursor.execute("CREATE USER careless IDENTIFIED BY 'careless'")
        try:
            stack.database.connect("careless", "careless").close()
            with pytest.raises(pymysql.OperationalError, match="Access denied"):
                pymysql.connect(
                    host="127.0.0.1", port=stack.database.port, user="careless", password="careless", ssl_disabled=True
                )
        finally:
            cursor.execute("DROP USER careless")


def test_vaults_account_may_do_what_vault_needs_and_no_more(stack: Stack) -> None:
    """It makes users and passes on SELECT on the demo's table; it can't change a row or read another table."""
    with stack.database.connect("vault_admin") as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GRANTS")
        grants = sorted(row[0].partition(" IDENTIFIED ")[0] for row in cursor.fetchall())
        assert grants == [
            "GRANT CREATE USER ON *.* TO `vault_admin`@`%`",
            "GRANT SELECT ON `shop`.`orders` TO `vault_admin`@`%` WITH GRANT OPTION",
        ]
        for statement in ("DELETE FROM shop.orders", "SELECT * FROM mysql.user", "CREATE TABLE shop.mine (id INT)"):
            with pytest.raises(pymysql.OperationalError, match=r"command denied"):
                cursor.execute(statement)


def test_vault_makes_and_takes_back_a_user(stack: Stack, eventually: Eventually) -> None:
    """With vault_admin's few privileges a dynamic user is made, counts rows, and is dropped by revocation."""
    with stack.vault.client() as client:
        made = client.read("database/creds/records")
        user, password = made["data"]["username"], made["data"]["password"]
        with stack.database.connect(user, password) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM shop.orders")
            assert cursor.fetchall() == ((42,),)
        client.sys.revoke_lease(made["lease_id"])

    def dropped() -> bool:
        with stack.database.connect() as connection, connection.cursor() as cursor:
            return cursor.execute("SELECT 1 FROM mysql.user WHERE user = %s", (user,)) == 0

    eventually(dropped)


def test_vault_rotates_the_static_user(stack: Stack) -> None:
    """A rotation gives records_static another password, which works; the one before doesn't any more."""
    with stack.vault.client() as client:
        before = client.read("database/static-creds/records-static")["data"]
        client.write_data("database/rotate-role/records-static", data={})
        after = client.read("database/static-creds/records-static")["data"]
    assert (before["username"], before["password"] == after["password"]) == ("records_static", False)
    stack.database.connect("records_static", after["password"]).close()
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        stack.database.connect("records_static", before["password"])


def test_sts_refuses_a_wrong_key(stack: Stack) -> None:
    """A signature by another secret key is refused, and so are keys that nobody made."""
    assumed = stack.aws.assume("vaultgate-records")
    for forged, code in (
        (assumed._replace(secret_key=assumed.secret_key[::-1]), "SignatureDoesNotMatch"),
        (assumed._replace(access_key="ASIA0000000000000000"), "InvalidClientTokenId"),
    ):
        with (
            stack.aws.client("sts", forged) as sts,
            pytest.raises(botocore.exceptions.ClientError) as refused,
        ):
            sts.get_caller_identity()
        assert refused.value.response["Error"]["Code"] == code


def test_an_assumed_role_is_itself_and_may_do_nothing(stack: Stack) -> None:
    """STS tells it by its role and session; IAM's policies are enforced, and it has none."""
    assumed = stack.aws.assume("vaultgate-records", session="a-function")
    with stack.aws.client("sts", assumed) as sts:
        arn = sts.get_caller_identity()["Arn"]
    assert arn == "arn:aws:sts::123456789012:assumed-role/vaultgate-records/a-function"
    with stack.aws.client("iam", assumed) as iam, pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        iam.list_users()


def test_the_users_aws_settings_do_not_disturb_the_client(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client of ours reaches the emulated AWS with its own keys, whatever AWS_* and proxies say."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_CONFIG_FILE", "HTTP_PROXY", "AWS_CA_BUNDLE"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert stack.aws.assume("vaultgate-records").session_token


def test_everything_listens_on_loopback_and_nothing_on_vaults_port(stack: Stack) -> None:
    """One port for each part, from the kernel, on 127.0.0.1; 8200 and 8201 stay the user's own Vault's."""
    ports = {found.part: listeners(found.identity.pid) for found in markers.find(stack.folder) if found.leads}
    assert ports == {
        "vault": {(LOOPBACK, stack.vault.port)},
        "database": {(LOOPBACK, stack.database.port)},
        "aws": {(LOOPBACK, stack.aws.port)},
    }
    assert not {8200, 8201} & {stack.vault.port, stack.database.port, stack.aws.port}


def test_no_secret_where_others_could_read_it(stack: Stack) -> None:
    """No secret is in an argument or an environment variable of a process, in a log, or in a file that isn't 0600."""
    places = {
        f"/proc/{found.identity.pid}/{file}": Path(f"/proc/{found.identity.pid}/{file}").read_bytes()
        for found in markers.find(stack.folder)
        for file in ("cmdline", "environ")
    }
    for file in (stack.folder / "logs").iterdir():
        places[str(file)] = file.read_bytes()
    for file in (path for path in stack.folder.rglob("*") if path.is_file() and path.parent.name != "logs"):
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            places[str(file)] = file.read_bytes()
    leaks = [(name, place) for name, secret in secrets(stack).items() for place in places if secret.encode() in places[place]]
    assert not leaks
    assert stat.S_IMODE(stack.folder.stat().st_mode) == 0o700


def test_who_attaches_sees_the_same_stack(stack: Stack) -> None:
    """Another process takes hold of a running stack by its folder, and may restart its parts."""
    attached = type(stack).attach(stack.folder, Silent())
    assert attached.health() == stack.health()
    assert [part for part in attached.health() if not (part.healthy and part.pid)] == []
    attached.vault.restart()
    assert stack.vault.healthy()
    # Back to the one who ends the stack: it is a child of whoever started it.
    attached.vault.stop()
    stack.vault.start()


def test_a_stopped_part_is_not_healthy(stack: Stack) -> None:
    """Health tells which part it is, and that it doesn't run."""
    for part, name in ((stack.vault, "vault"), (stack.database, "database")):
        part.stop()
        try:
            (found,) = (one for one in stack.health() if one.part == name)
            assert (found.pid, found.healthy) == (None, False)
        finally:
            part.start()
    assert [one for one in stack.health() if not one.healthy] == []


def test_a_port_taken_during_a_restart_is_named(stack: Stack) -> None:
    """Vault keeps its port for life; when somebody takes it meanwhile, the error says so."""
    stack.vault.stop()
    try:
        # A server, not a bare bind: Vault's last conversations may still linger on the port.
        with socket.create_server(("127.0.0.1", stack.vault.port)), pytest.raises(PortTaken, match="port was taken"):
            stack.vault.start()
    finally:
        stack.vault.start()
    assert stack.vault.healthy()
