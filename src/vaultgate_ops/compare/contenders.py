"""The contenders: which stores are compared, and by which ways each is read.

Rules: ids are ``STORE.WAY`` and stable, results and verdicts name them; what a way does between a function and its store is
in `reader`. Each that keeps answers keeps them for the same `KEEP_S`, whatever its own default, so that what differs is not
a setting; its default stands beside it, with its source, because that is what people run.
"""

from __future__ import annotations

from enum import StrEnum
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


class Keeps(StrEnum):
    """For how long a way goes on with what it has read."""

    NOTHING = "nothing"
    TIME = "time"
    LEASE = "lease"
    SANDBOX = "sandbox"


SLOW_S = {"secretsmanager.caching": 3.75}
"""Seconds that a forced refresh waits by its maker's will, on average: AWS's library, 2.5 to 5 s."""


class Entry(NamedTuple):
    """One way of reading one store.

    Attributes:
        store: its id.
        way: its id.
        title: for people.
        keeps: what it does with an answer here.
        default_s: for how long it keeps one by its own default, where that is a time; 0 where it doesn't.
    """

    store: str
    way: str
    title: str
    keeps: Keeps
    default_s: float = 0

    @property
    def id(self) -> str:
        """What results call it."""
        return f"{self.store}.{self.way}"


def _of_vault(store: str, keeps: Keeps) -> tuple[Entry, ...]:
    return (
        Entry(store, "layer", "Vaultgate's layer, vaultgate.client", keeps),
        Entry(store, "proxy", "Vaultgate's layer, hvac through its proxy", keeps),
        Entry(store, "hvac", "hvac with a login of its own", Keeps.NOTHING),
    )


CATALOGUE: tuple[Entry, ...] = (
    *_of_vault("vault-dynamic", Keeps.LEASE),
    *_of_vault("vault-static", Keeps.TIME),
    *_of_vault("vault-kv", Keeps.TIME),
    Entry("secretsmanager", "boto3", "boto3", Keeps.NOTHING),
    Entry("secretsmanager", "powertools", "Powertools' parameters", Keeps.TIME, 300),
    Entry("secretsmanager", "caching", "AWS's caching library", Keeps.TIME, 3600),
    Entry("secretsmanager", "agent", "AWS's Secrets Manager Agent", Keeps.TIME, 300),
    Entry("ssm", "boto3", "boto3", Keeps.NOTHING),
    Entry("ssm", "powertools", "Powertools' parameters", Keeps.TIME, 300),
    Entry("ssm", "extension", "AWS's Parameters and Secrets extension", Keeps.TIME, 300),
    Entry("ssm-reference", "powertools", "Powertools' parameters", Keeps.TIME, 300),
    Entry("env", "plain", "in clear", Keeps.SANDBOX),
    Entry("env", "kms", "encrypted, by KMS at each cold start", Keeps.SANDBOX),
)
"""All of them, in the order of reports."""


def entry(contender: str) -> Entry:
    """By id.

    Raises:
        KeyError: there is none.
    """
    return {one.id: one for one in CATALOGUE}[contender]
