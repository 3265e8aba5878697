"""What can be wrong beside the way to a secret: rotation, the audit mirror, the doctor itself."""

from __future__ import annotations

from vaultgate_ops.doctor.catalogue.kind import Kind
from vaultgate_ops.doctor.model import ERROR, NOTE, WARNING

KINDS = (
    Kind(
        "rotation.denied",
        ERROR,
        "Whoever runs the doctor may not call what a rotation needs.",
        "each action, and the service's words",
        "Run the doctor with the rotation function's role; if these keys are its own, allow it {actions} on the secret, and "
        "kms:Decrypt on its key; `vaultgate rotate now --dry-run {secret}` proves the rest.",
    ),
    Kind(
        "rotation.missing",
        ERROR,
        "There is no such secret in this region.",
        "its name",
        "Correct the name or AWS_REGION: aws secretsmanager list-secrets.",
    ),
    Kind(
        "rotation.failed",
        ERROR,
        "Secrets Manager can't be asked.",
        "why",
        "Set AWS_REGION if it isn't; in a VPC give the subnets an endpoint: "
        "aws ec2 create-vpc-endpoint --service-name com.amazonaws.<region>.secretsmanager ...",
    ),
    Kind(
        "rotation.refused",
        ERROR,
        "Secrets Manager answers, and gives no account of the secret.",
        "its words",
        "Mend what it says; of a secret that is to be deleted: aws secretsmanager restore-secret --secret-id {secret}; "
        "of keys that are over: aws sts get-caller-identity.",
    ),
    Kind(
        "rotation.stuck",
        ERROR,
        "A rotation got stuck: AWSPENDING has waited for longer than a rotation takes, and blocks the next one.",
        "the version, and how long it waits",
        "Run: vaultgate rotate repair {secret}.",
    ),
    Kind(
        "rotation.under-way",
        NOTE,
        "A rotation is under way.",
        "the version, and how long it waits",
        "Wait, and look again: vaultgate rotate status {secret}.",
    ),
    Kind(
        "rotation.overdue",
        ERROR,
        "The secret should have been rotated by now.",
        "how late",
        "Look at the log of {function}, then: vaultgate rotate now {secret}.",
    ),
    Kind(
        "rotation.disabled",
        WARNING,
        "Nobody rotates this secret: rotation isn't enabled.",
        "what DescribeSecret says",
        "Run: aws secretsmanager rotate-secret --secret-id {secret} --rotation-lambda-arn <function> "
        "--rotation-rules AutomaticallyAfterDays=45.",
    ),
    Kind(
        "rotation.no-current",
        ERROR,
        "The secret has no current value.",
        "its labels",
        "Store one: aws secretsmanager put-secret-value --secret-id {secret} --secret-string file://<file>.",
    ),
    Kind(
        "mirror.stopped",
        ERROR,
        "Nobody mirrors this audit device.",
        "what is not in CloudWatch Logs yet",
        "Start it: vaultgate mirror --file {path} --group <group> (docs/audit.md has a unit for systemd).",
    ),
    Kind(
        "mirror.behind",
        WARNING,
        "The mirror is behind.",
        "lines, bytes, seconds",
        "Look at its log; PutLogEvents may be throttled, or the machine busy.",
    ),
    Kind(
        "mirror.problem",
        ERROR,
        "The mirror can't promise that nothing is lost.",
        "its words",
        "See docs/audit.md, `What breaks the promise`; then: vaultgate mirror verify.",
    ),
    Kind(
        "mirror.unreadable",
        ERROR,
        "The checkpoint can't be read.",
        "why",
        "Run the doctor as the mirror's user; a damaged checkpoint is explained by: vaultgate mirror status.",
    ),
    Kind(
        "doctor.late",
        WARNING,
        "A check had no result before the doctor's time was over.",
        "which",
        "Run it alone: vaultgate doctor --only {check}.",
    ),
    Kind(
        "doctor.failed",
        WARNING,
        "A check failed by our own fault.",
        "the kind of error",
        "Please report it, with this line.",
    ),
    Kind(
        "doctor.token-left",
        WARNING,
        "The doctor's own token could not be revoked; it and its leases end by their TTL.",
        "Vault's words",
        'Where it was denied, grant it in the role\'s policy: path "auth/token/revoke-self" {{ capabilities = ["update"] }}.',
    ),
    Kind(
        "doctor.leases-left",
        WARNING,
        "The leases of the doctor's batch token could not be revoked: the database's user stays until its TTL is over.",
        "Vault's words",
        'Where it was denied, grant it in the role\'s policy: path "sys/leases/revoke" {{ capabilities = ["update"] }}; '
        "or let the role give service tokens: vault write auth/{mount}/role/{role} token_type=service.",
    ),
)
