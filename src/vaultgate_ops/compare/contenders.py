"""The contenders: which stores are compared, and by which ways each is read.

Rules: ids are ``STORE.WAY`` and stable, results and verdicts name them; what a way does between a function and its store is
in `reader`. Each that keeps answers keeps them for the same `KEEP_S`, whatever its own default, so that what differs is not
a setting; its default stands beside it, with its source, because that is what people run.
"""

from __future__ import annotations

from typing import NamedTuple

KEEP_S = 300
"""How long every way that keeps answers keeps them here, in seconds: what the record-count function uses."""

STORES = {
    "vault-dynamic": "Vault, dynamic database credentials",
    "vault-static": "Vault, static database role",
    "vault-kv": "Vault, KV version 2",
    "secretsmanager": "AWS Secrets Manager",
    "ssm": "AWS Parameter Store, SecureString",
    "ssm-reference": "AWS Parameter Store, reference to a secret",
    "env": "Environment variable",
}
"""Titles by id."""

VAULTS = ("vault-dynamic", "vault-static", "vault-kv")


class Entry(NamedTuple):
    """One way of reading one store.

    Attributes:
        store: its id.
        way: its id.
        title: for people.
        keeps_s: seconds for which answers are kept by the way's own default; 0 for not at all, -1 for a lease's or the
            sandbox's life.
    """

    store: str
    way: str
    title: str
    keeps_s: float

    @property
    def id(self) -> str:
        """What results call it."""
        return f"{self.store}.{self.way}"


_OF_VAULT = (
    ("layer", "Vaultgate's layer, vaultgate.client"),
    ("proxy", "Vaultgate's layer, hvac through its proxy"),
    ("hvac", "hvac with a login of its own"),
)

CATALOGUE: tuple[Entry, ...] = (
    *(
        Entry(store, way, title, -1 if store == "vault-dynamic" and way != "hvac" else 0)
        for store in VAULTS
        for way, title in _OF_VAULT
    ),
    Entry("secretsmanager", "boto3", "boto3, nothing kept", 0),
    Entry("secretsmanager", "powertools", "Powertools' parameters, kept", 5),
    Entry("secretsmanager", "caching", "AWS's caching library, kept", 3600),
    Entry("secretsmanager", "agent", "AWS's Secrets Manager Agent", 300),
    Entry("ssm", "boto3", "boto3, nothing kept", 0),
    Entry("ssm", "powertools", "Powertools' parameters, kept", 5),
    Entry("ssm", "extension", "AWS's Parameters and Secrets extension", 300),
    Entry("ssm-reference", "powertools", "Powertools' parameters, kept", 5),
    Entry("env", "plain", "in clear", -1),
    Entry("env", "kms", "encrypted, by KMS at each cold start", -1),
)
"""All of them, in the order of reports."""


def entry(contender: str) -> Entry:
    """By id.

    Raises:
        KeyError: there is none.
    """
    return {one.id: one for one in CATALOGUE}[contender]
