"""The file of a sync: what it may say, and that everything wrong with it is told at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.errors import UsageProblem
from vaultgate_ops.sync import load
from vaultgate_ops.sync.model import Entry, Kind, Wanted

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
owner: shop-platform
secretsmanager:
  shop/payment-key: {mount: secret, path: shop/payment, field: key, kms_key: alias/shop}
  shop/payment: {mount: team/kv/, path: /shop/payment/}
ssm:
  /shop/payment/key: {mount: secret, path: shop/payment, field: key}
  plain: {mount: secret, path: shop/payment, tier: advanced, kms_key: "arn:aws:kms:us-east-1:123456789012:key/abc"}
"""
TAGGABLE = "must be a text of letters, digits, spaces and _ . : / = + - @, as tags may have them"
LEVELS = "a parameter's name has letters, digits and _ . -, in at most 15 levels that each begin with /"


def read(folder: Path, text: str) -> Wanted:
    """Load such a file."""
    file = folder / "sync.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file)


def problems(folder: Path, text: str) -> list[str]:
    """What is wrong with such a file."""
    with pytest.raises(UsageProblem) as caught:
        read(folder, text)
    return [line.strip() for line in caught.value.message.splitlines()[1:]]


def test_a_whole_file(tmp_path: Path) -> None:
    """Targets by their names, with where their values come from; slashes at the ends don't matter."""
    assert read(tmp_path, GOOD) == Wanted(
        "shop-platform",
        (
            Entry("secret", "shop/payment", "key", Kind.SECRET, "shop/payment-key", "alias/shop"),
            Entry("team/kv", "shop/payment", "", Kind.SECRET, "shop/payment"),
            Entry("secret", "shop/payment", "key", Kind.PARAMETER, "/shop/payment/key"),
            Entry("secret", "shop/payment", "", Kind.ADVANCED, "plain", "arn:aws:kms:us-east-1:123456789012:key/abc"),
        ),
    )


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Each with its line."""
    text = """owner: two words
secretsmanagr: {}
secretsmanager:
  rds!cluster-1: {mount: secret, path: a}
  no spaces: {mount: secret, path: a}
  text: just this
  short: {path: a, field: ""}
  paths: {mount: s//t, path: ../a, filed: x, kms_key: not/a/key}
  cli: {mount: secret, path: data/a, tier: advanced}
  twice: {mount: secret, path: a}
  twice: {mount: secret, path: a}
ssm:
  /aws/mine: {mount: secret, path: a}
  /two//slashes: {mount: secret, path: a}
  /a: {mount: secret, path: "a#b", tier: big}
  /long: {mount: secret, path: LONG}
  /b: {mount: secret, path: a, tier: [standard]}
"""
    assert problems(tmp_path, text.replace("LONG", "x" * 250)) == [
        "line 1, owner: owner must be a word for whoever owns these targets; it becomes their tag",
        "line 2, secretsmanagr: unknown key; did you mean secretsmanager?",
        "line 4, secretsmanager.rds!cluster-1: such names belong to secrets that another service of AWS manages",
        "line 5, secretsmanager.no spaces: a secret's name has letters, digits and / _ + = . @ -, at most 512",
        "line 6, secretsmanager.text: must be a mapping: mount, path",
        f"line 7, secretsmanager.short.field: {TAGGABLE}",
        "line 7, secretsmanager.short: needs mount",
        "line 8, secretsmanager.paths.filed: unknown key; did you mean field?",
        "line 8, secretsmanager.paths.kms_key: must be a key's id or ARN, or alias/<name>",
        "line 8, secretsmanager.paths.mount: has an empty part, or one of dots",
        "line 8, secretsmanager.paths.path: has an empty part, or one of dots",
        "line 9, secretsmanager.cli.path: is the path of the command line (vault kv get): leave data/ out",
        "line 9, secretsmanager.cli.tier: unknown key",
        "line 11, secretsmanager.twice: stands here a second time",
        "line 13, ssm./aws/mine: names that begin with aws or ssm are AWS's own",
        f"line 14, ssm./two//slashes: {LEVELS}",
        f"line 15, ssm./a.path: {TAGGABLE}",
        "line 15, ssm./a.tier: must be standard or advanced",
        "line 16, ssm./long: mount and path together are longer than the 256 letters of a tag",
        "line 17, ssm./b.tier: must be standard or advanced",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a\n- b\n", "the file must be a mapping: owner, secretsmanager, ssm"),
        ("", "the file must be a mapping: owner, secretsmanager, ssm"),
        ("owner: shop\n", "there is nothing to sync: secretsmanager and ssm are both empty"),
        ("owner: shop\nssm: [a]\n", "line 2, ssm: must be a mapping of targets' names"),
        (
            "ssm: {/a: {mount: secret, path: a}}\n",
            "owner: owner must be a word for whoever owns these targets; it becomes their tag",
        ),
    ],
)
def test_a_file_of_another_shape(tmp_path: Path, text: str, problem: str) -> None:
    """Said as what it is."""
    assert problems(tmp_path, text) == [problem]


def test_a_file_that_can_not_be_read(tmp_path: Path) -> None:
    """Not there, or no YAML."""
    with pytest.raises(UsageProblem, match=r"can't be read: No such file"):
        load(tmp_path / "nothing.yaml")
    with pytest.raises(UsageProblem, match=r"is not YAML \(line 1\)"):
        read(tmp_path, "{")
