"""STS's and Vault's answers, judged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vaultgate_ops.doctor.catalogue import found
from vaultgate_ops.doctor.facts import CallerIdentity, Grants, Health, Keys, Login, Mount, Place, RoleSeen, Wanted
from vaultgate_ops.doctor.judges import aws, vault
from vaultgate_ops.doctor.model import ERROR, NOTE, Verdict

PLACE = Place("Vault", "vault.example.com", 8200, https=True)
ROLE = "arn:aws:iam::123456789012:role/app"
CALLER = "arn:aws:sts::123456789012:assumed-role/app/session"
HEALTHY = {"initialized": True, "sealed": False, "version": "1.21.1", "cluster_name": "c1"}


# --- keys and STS ---


def test_keys_are_named_by_their_id() -> None:
    """The id is no secret."""
    assert aws.keys(Keys("AKIA1")) == Verdict("AKIA1")


@pytest.mark.parametrize(("assumed", "name"), [("", "keys.missing"), (ROLE, "keys.assumed-role")])
def test_no_keys(assumed: str, name: str) -> None:
    """The fix is the extension's own hint."""
    finding = found(name, assumed, "no keys", hint="Give it a role.")
    assert aws.keys(Keys("", "no keys", "give it a role", assumed)) == Verdict("no keys", (finding,))


def called(status: int, code: str = "", words: str = "", **seen: object) -> CallerIdentity:
    """A call to STS of eu-west-1."""
    return CallerIdentity("https://sts", "eu-west-1", status, code, words, **seen)  # type: ignore[arg-type]


def test_sts_knows_us() -> None:
    """Who we are is told."""
    assert aws.identity(called(200, arn=CALLER), "aws") == Verdict(CALLER)


@pytest.mark.parametrize(("needed", "severity"), [(False, NOTE), (True, ERROR)])
def test_sts_is_silent(needed: bool, severity: str) -> None:  # noqa: FBT001 - a table
    """Worth a note: it is Vault that has to reach STS, unless another role is assumed."""
    verdict = aws.identity(called(0, "", "timed out", needed=needed), "aws")
    finding = found("sts.no-answer", "https://sts eu-west-1", "timed out", severity=severity)
    assert verdict == Verdict("timed out", (finding,), stops=True)


SCOPED = "Credential should be scoped to a valid region."


@pytest.mark.parametrize(
    ("code", "words", "name"),
    [
        ("SignatureDoesNotMatch", "The request signature we calculated does not match", "sts.signature"),
        ("InvalidSignatureException", "", "sts.signature"),
        ("IncompleteSignature", "", "sts.signature"),
        ("SignatureDoesNotMatch", SCOPED, "sts.region"),
        ("SignatureDoesNotMatch", "Signature expired: 20260101T000000Z is now earlier than", "sts.clock"),
        ("SignatureDoesNotMatch", "Signature not yet current: 20260101T000000Z is still later", "sts.clock"),
        ("InvalidClientTokenId", "", "sts.unknown-key"),
        ("UnrecognizedClientException", "", "sts.unknown-key"),
        ("ExpiredToken", "", "sts.expired"),
        ("ExpiredTokenException", "", "sts.expired"),
        ("RequestExpired", "", "sts.clock"),
        ("RegionDisabledException", "", "sts.region-disabled"),
        ("AccessDenied", "", "sts.denied"),
        ("AccessDeniedException", "", "sts.denied"),
        ("Throttling", "", "sts.refused"),
        ("", "", "sts.refused"),
    ],
)
def test_sts_refuses(code: str, words: str, name: str) -> None:
    """By its code, and where one code means several things by its words."""
    said = f"{code or '403'}: {words}" if words else code or "status 403"
    finding = found(name, "https://sts eu-west-1", said, mount="elsewhere/aws")
    assert aws.identity(called(403, code, words), "elsewhere/aws") == Verdict(said, (finding,))


def test_an_endpoint_s_policy_is_a_note() -> None:
    """Nobody but the doctor asks STS from here, unless a role is assumed."""
    seen = called(403, "AccessDenied", "no")
    assert [one.severity for one in aws.identity(seen, "aws").findings] == ["note"]
    assert [one.severity for one in aws.identity(replace(seen, needed=True), "aws").findings] == ["error"]


def test_something_else_answers_for_sts() -> None:
    """A 200 that names nobody is a refusal, too; words without a code stand behind the status."""
    assert [one.id for one in aws.identity(called(200), "aws").findings] == ["sts.refused"]
    assert aws.identity(called(500, "", "oops"), "aws").told == "500: oops"
    assert aws.identity(called(403, arn=CALLER), "aws").told == "status 403"


def test_whom_a_role_is_bound_to() -> None:
    """A session becomes its role, in every partition; a user stays one."""
    assert aws.role_arn(CALLER) == ROLE
    assert aws.role_arn("arn:aws-cn:sts::123456789012:assumed-role/app/a/b") == "arn:aws-cn:iam::123456789012:role/app"
    assert aws.role_arn("arn:aws:iam::123456789012:user/me") == "arn:aws:iam::123456789012:user/me"
    assert aws.role_arn("") == ""


def test_the_account_of_an_arn() -> None:
    """The fifth part, if there is one."""
    assert aws.account(CALLER) == "123456789012"
    assert aws.account("arn:aws:sts::123456789012") == ""
    assert aws.account("") == ""


# --- health ---


def health(status: int, **changed: object) -> Verdict:
    """Judge a node's answer."""
    return vault.health(Health(PLACE, status, HEALTHY | changed))


def test_a_healthy_node() -> None:
    """Version and cluster are told."""
    assert health(200) == Verdict("version 1.21.1, status 200, cluster c1")
    bare = Health(PLACE, 200, {"initialized": True, "sealed": False})
    assert vault.health(bare) == Verdict("version ?, status 200, cluster unknown")


@pytest.mark.parametrize(
    ("status", "name", "passes"),
    [
        (501, "health.uninitialized", False),
        (503, "health.sealed", False),
        (472, "health.secondary", False),
        (429, "health.standby", True),
        (473, "health.standby", True),
    ],
)
def test_a_node_that_does_not_serve(status: int, name: str, passes: bool) -> None:  # noqa: FBT001 - a table
    """By the status; a standby serves."""
    told = f"version 1.21.1, status {status}, cluster c1"
    verdict = health(status)
    assert verdict == Verdict(told, (found(name, PLACE.about, told),))
    assert verdict.passed == passes


def test_no_health() -> None:
    """No answer, or somebody else's."""
    assert vault.health(Health(PLACE, 0, {}, "hung up")) == Verdict(
        "hung up", (found("health.no-answer", PLACE.about, "hung up"),)
    )
    stranger = found("health.not-vault", PLACE.about, "status 200")
    for document in ({}, {"initialized": True}, {"sealed": False}):
        assert vault.health(Health(PLACE, 200, document)) == Verdict("status 200", (stranger,))


@pytest.mark.parametrize(
    ("version", "old"),
    [("1.20.9", True), ("1.21.0", False), ("1.22", False), ("2.0.1", False), ("0.11.1", True), ("1", False), ("x.y", False)],
)
def test_an_old_version(version: str, old: bool) -> None:  # noqa: FBT001 - a table
    """Worth a note."""
    told = f"version {version}, status 200, cluster c1"
    expected = (found("health.old", PLACE.about, told, tested="1.21"),) if old else ()
    assert health(200, version=version) == Verdict(told, expected)


def test_half_a_version() -> None:
    """What can't be read isn't judged."""
    assert health(200, version="1.x").findings == ()
    assert health(200, version="x.1").findings == ()


# --- login ---


def tried(status: int, words: str = "", **seen: object) -> Login:
    """A login with the AWS method, signed for eu-west-1."""
    facts = {"server_id": "vault-1", "region": "eu-west-1"} | seen
    return Login("aws", "aws", "app", status=status, words=words, **facts)  # type: ignore[arg-type]


FILLED = {
    "mount": "aws",
    "method": "aws",
    "role": "app",
    "region": "eu-west-1",
    "arn": "<the function's role ARN>",
    "server_id": "<Vault's iam_server_id_header_value>",
}


def test_a_login_that_worked() -> None:
    """Who we are now."""
    assert vault.login(tried(200, display_name="aws-app", policies=("a", "b"))) == Verdict("aws-app, policies a, b")
    assert vault.login(tried(200)) == Verdict("aws, policies none")


@pytest.mark.parametrize(
    ("status", "words", "name", "beside"),
    [
        (400, "error validating X-Vault-AWS-IAM-Server-ID header: missing", "login.server-id", "; ours is vault-1"),
        (400, 'IAM Principal "x" does not belong to the role "app"', "login.bound-elsewhere", ""),
        (400, "expected IAM role to resolve to unique ID x but got y", "login.unique-id", ""),
        (400, "Error making upstream request: body", "login.sts", "; signed for eu-west-1"),
        (400, "entry for role app not found", "login.no-role", ""),
        (404, "no handler for route auth/aws/login", "login.no-mount", ""),
        (403, "permission denied", "login.no-mount", ""),
        (500, "failed to determine alias name from login request", "login.other-method", ""),
        (400, "didn't supply required authentication values", "login.other-method", ""),
        (400, "invalid role or secret ID", "login.ids", ""),
        (400, "invalid secret id", "login.ids", ""),
        (400, "missing secret_id", "login.ids", ""),
        (400, "the wrapping token of the secret_id is not valid", "login.ids", ""),
        (307, "", "login.redirected", ""),
        (500, "internal error", "login.unavailable", ""),
        (503, "", "login.unavailable", ""),
        (0, "timed out", "login.unavailable", ""),
        (0, "permission denied", "login.unavailable", ""),
        (499, "something else", "login.refused", ""),
        (400, "", "login.refused", ""),
    ],
)
def test_a_login_that_is_refused(status: int, words: str, name: str, beside: str) -> None:
    """By Vault's words, and by its status where they say nothing."""
    evidence = (words or f"status {status}") + beside
    assert vault.login(tried(status, words)) == Verdict(evidence, (found(name, "auth/aws/login", evidence, **FILLED),))


def test_a_server_id_that_is_not_ours() -> None:
    """Both are shown, where they are known."""
    words = "X-Vault-AWS-IAM-Server-ID wrong"
    seen = tried(400, words, server_id="", seen=RoleSeen(True, server_id="vault-2"))
    evidence = f"{words}; ours is not set; Vault's is vault-2"
    filled = FILLED | {"server_id": "vault-2"}
    assert vault.login(seen) == Verdict(evidence, (found("login.server-id", "auth/aws/login", evidence, **filled),))


@pytest.mark.parametrize("name", ["login.bound-elsewhere", "login.unique-id"])
def test_a_role_that_is_bound_to_somebody_else(name: str) -> None:
    """Our principal stands beside whom the role is bound to, and in the command."""
    words = "does not belong to the role" if name == "login.bound-elsewhere" else "unique ID"
    seen = tried(400, words, arn=CALLER, seen=RoleSeen(True, ("arn:1", "arn:2")))
    evidence = f"{words}; we are {ROLE}; the role 'app' is bound to arn:1, arn:2"
    filled = FILLED | {"arn": ROLE}
    assert vault.login(seen) == Verdict(evidence, (found(name, "auth/aws/login", evidence, **filled),))


def test_a_signature_that_only_vault_s_sts_refuses() -> None:
    """What STS says to us, and whom Vault asks, tell whose region it is."""
    words = "error making upstream request"
    ours = tried(400, words, arn=CALLER, seen=RoleSeen(True, sts_region="us-east-1", sts_endpoint="https://e"))
    told = f"{words}; signed for eu-west-1; STS itself takes us for {ROLE}; Vault asks https://e, region us-east-1"
    assert vault.login(ours).told == told
    bare = tried(400, words, region="", seen=RoleSeen(False))
    assert vault.login(bare).told == f"{words}; signed for the global endpoint; Vault asks the global endpoint, region not set"
    assert "VAULT_STS_ENDPOINT_REGION=us-east-1" in vault.login(bare).findings[0].fix
    both = tried(400, words, refused="ExpiredToken")
    expected = f"{words}; signed for eu-west-1; STS refuses it to us as well (ExpiredToken): mend what `sts` found"
    assert vault.login(both).told == expected


# --- identity and grants ---


def identity(**seen: object) -> list[tuple[str, str]]:
    """What is found, with its evidence."""
    return [(one.id, one.evidence) for one in vault.identity(tried(200, **seen)).findings]


def test_who_vault_takes_us_for() -> None:
    """All is told; nothing is wrong with a token that has a policy."""
    seen = tried(200, display_name="aws-app", entity_id="e1", policies=("default", "app"), arn=CALLER, account="123456789012")
    assert vault.identity(seen) == Verdict("aws-app, entity e1, policies default, app")
    assert vault.identity(tried(200, policies=("app",))) == Verdict("nameless, entity none, policies app")


def test_an_identity_that_is_not_right() -> None:
    """Another account, too much, too little."""
    other = identity(policies=("app",), arn=CALLER, account="999999999999")
    assert other == [("identity.other-account", "STS says 123456789012, Vault says 999999999999")]
    assert identity(policies=("app",), arn="", account="999999999999") == []
    assert identity(policies=("app",), arn=CALLER, account="") == []
    assert identity(policies=("root",)) == [("identity.root", "nameless, entity none, policies root")]
    assert identity(policies=("default",)) == [("identity.no-policy", "nameless, entity none, policies default")]
    assert identity() == [("identity.no-policy", "nameless, entity none, policies none")]
    for name in ("identity.root", "identity.no-policy"):
        policies = ("root",) if name == "identity.root" else ()
        verdict = vault.identity(tried(200, policies=policies))
        assert verdict.findings == (found(name, "", verdict.told, mount="aws", role="app"),)


CREDS = Wanted("database/creds/app", "read", vital=True, reason="RECORDS_SECRET_PATH")
RENEW = Wanted("auth/token/renew-self", "update", vital=False, reason="to live longer")


def test_everything_is_granted() -> None:
    """The capability itself, or root's."""
    held = {CREDS.path: ("read",), RENEW.path: ("create", "update")}
    assert vault.grants(Grants((CREDS, RENEW), held)) == Verdict("2 of 2 granted")
    assert vault.grants(Grants((CREDS,), {CREDS.path: ("root",)})) == Verdict("1 of 1 granted")


def test_something_is_denied() -> None:
    """A path of the settings is an error, one of the extension's own a warning; the fix is the line of the policy."""
    verdict = vault.grants(Grants((CREDS, RENEW), {CREDS.path: ("deny",)}, {}, ("default", "app", "more")))
    policies = "policies default, app, more"
    first = f"read on {CREDS.path}, for RECORDS_SECRET_PATH; it has deny; {policies}"
    second = f"update on {RENEW.path}, for to live longer; it has nothing; {policies}"
    filled = {"policy": "app"}
    assert verdict == Verdict(
        "0 of 2 granted",
        (
            found("policy.denied", CREDS.path, first, **filled, path=CREDS.path, capability="read"),
            found("policy.own-token", RENEW.path, second, **filled, path=RENEW.path, capability="update"),
        ),
    )
    assert not verdict.passed
    two = vault.grants(Grants((CREDS,), {CREDS.path: ("create", "list")}))
    assert two.findings[0].evidence.endswith("it has create, list; policies none")
    assert "the policy <name>" in two.findings[0].fix


def test_a_path_without_data() -> None:
    """The mount tells that it is one, and the fix holds the path as it should be."""
    wanted = Wanted("kv/team/app", "read", vital=True, reason="VAULT_SECRET_PATH")

    def judged(mount: Mount, asked: Wanted = wanted) -> list[str]:
        return [one.id for one in vault.grants(Grants((asked,), {}, {asked.path: mount}, ("app",))).findings]

    verdict = vault.grants(Grants((wanted,), {}, {wanted.path: Mount("kv/", "kv", "2")}, ("app",)))
    evidence = "kv/team/app, and kv/ is a KV engine of version 2; policies app"
    assert verdict.findings == (found("policy.kv-data", wanted.path, evidence, better="kv/data/team/app"),)
    assert judged(Mount("kv/", "kv", "1")) == ["policy.denied"]
    assert judged(Mount("kv/", "other", "2")) == ["policy.denied"]
    right = Wanted("kv/data/app", "read", vital=True, reason="x")
    assert judged(Mount("kv/", "kv", "2"), right) == ["policy.denied"]
    own = Wanted("kv/app", "read", vital=False, reason="x")
    assert judged(Mount("kv/", "kv", "2"), own) == ["policy.own-token"]


def test_vault_does_not_say_what_is_granted() -> None:
    """Worth a note."""
    verdict = vault.grants(Grants((CREDS,), None, {}, ("app",), "permission denied"))
    assert verdict == Verdict("permission denied", (found("policy.unseen", "", "permission denied", policy="app"),))
