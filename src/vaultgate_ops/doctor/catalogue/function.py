"""What can be wrong with the function itself: its settings, its layer, the extension that runs beside it."""

from __future__ import annotations

from vaultgate_ops.doctor.catalogue.kind import Kind
from vaultgate_ops.doctor.model import ERROR, NOTE, WARNING

_RUN_CONFIG = "Correct the variables; `vaultgate config` shows what is in force."

KINDS = (
    Kind("settings.invalid", ERROR, "The extension refuses to start with these settings.", "every problem", _RUN_CONFIG),
    Kind(
        "settings.skip-verify",
        WARNING,
        "Nobody checks who answers as Vault: VAULT_SKIP_VERIFY is on.",
        "the variable",
        "Unset VAULT_SKIP_VERIFY, and name the authority of Vault's certificate: VAULT_CACERT=<file>.",
    ),
    Kind(
        "settings.in-clear",
        WARNING,
        "Tokens and secrets cross the network in clear.",
        "Vault's address",
        "Give Vault a certificate, and set VAULT_ADDR=https://...; unset VAULTGATE_ALLOW_HTTP.",
    ),
    Kind(
        "settings.no-server-id",
        NOTE,
        "Logins are not bound to one Vault: whoever receives one may use it at another Vault.",
        "VAULT_IAM_SERVER_ID is not set",
        "Run: vault write auth/{mount}/config/client iam_server_id_header_value=<name>; then set VAULT_IAM_SERVER_ID=<name>.",
    ),
    Kind(
        "records.invalid",
        ERROR,
        "The record-count function refuses to start with these settings.",
        "every problem",
        "Correct the function's variables: sam deploy --parameter-overrides ...",
    ),
    Kind(
        "layer.missing",
        ERROR,
        "There is no layer where the function looks for it.",
        "the folder, and what is missing in it",
        "Attach it: aws lambda update-function-configuration --function-name <name> --layers <ARN>; build it: make layer.",
    ),
    Kind(
        "layer.not-executable",
        ERROR,
        "The launcher may not be executed, so Lambda doesn't start the extension.",
        "the file",
        "Build the archive with its modes, and publish it: make layer (a zip made by hand on Windows loses them).",
    ),
    Kind(
        "layer.no-python",
        ERROR,
        "The launcher finds no Python.",
        "where it looked",
        "Use a Python runtime (python3.11 or newer), or install Python into the container image.",
    ),
    Kind(
        "layer.old-python",
        ERROR,
        "The interpreter is older than the extension needs.",
        "its version",
        "Choose another runtime: aws lambda update-function-configuration --function-name <name> --runtime python3.12.",
    ),
    Kind(
        "layer.other-python",
        ERROR,
        "The layer holds bytecode of another Python, and no sources.",
        "the interpreter's version, and what is there",
        "Use the layer for this runtime: vaultgate layer build --python {python}; or the one for all: make layer.",
    ),
    Kind(
        "layer.no-manifest",
        WARNING,
        "The layer doesn't say what is in it: it was built by hand, or lost files on the way.",
        "the file that is missing",
        "Build it by `make layer` or `sam build`, and publish it: vaultgate layer publish.",
    ),
    Kind(
        "layer.incomplete",
        WARNING,
        "The layer's manifest promises bytecode that isn't there.",
        "how many modules have it, and what the manifest says",
        "Publish the archive as it was built: vaultgate layer publish.",
    ),
    Kind(
        "layer.no-bytecode",
        WARNING,
        "Every cold start compiles the extension anew.",
        "how many modules have bytecode for this interpreter",
        "Build the layer where Python {python} is installed, and publish it: make layer.",
    ),
    Kind(
        "layer.checked-bytecode",
        WARNING,
        "Bytecode is compared with its source at each cold start, and thrown away if a zip has changed its time.",
        "how many files are of that kind",
        "Build the layer by `make layer` or `sam build`, which make bytecode that is taken as it is.",
    ),
    Kind(
        "extension.silent",
        ERROR,
        "No extension answers in this sandbox.",
        "the address, and the system's words",
        "Attach the layer, and see the log for `vaultgate:`; VAULTGATE_LISTEN is the same for function and extension.",
    ),
    Kind(
        "extension.stranger",
        ERROR,
        "Somebody else answers at the extension's address.",
        "the address and the answer",
        "Choose another port: VAULTGATE_LISTEN=127.0.0.1:<port>.",
    ),
    Kind(
        "extension.door",
        WARNING,
        "The extension doesn't let the doctor in.",
        "its words",
        "Run the doctor as the function's own user, with the function's own VAULTGATE_GUARD.",
    ),
    Kind(
        "extension.logged-out",
        WARNING,
        "The extension runs and has no token.",
        "its health",
        "Mend what `login` or `tcp` finds; otherwise see the extension's log for `login`.",
    ),
    Kind(
        "extension.circuit",
        WARNING,
        "The extension leaves Vault alone for a while, because several calls failed in a row.",
        "its health",
        "Mend what `health` or `tcp` finds; it asks again by itself, at least every half minute.",
    ),
)
