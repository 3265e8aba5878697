"""Verdicts: rules that are data, figures that can be looked up, and no decision without them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.compare.documents import measured, resolve, whole

from vaultgate_ops.compare import prices, readings, verdicts

if TYPE_CHECKING:
    from collections.abc import Mapping

EXPERIMENTS = Path(verdicts.__file__).parent / "experiments"


def document(figures: Mapping[str, object]) -> dict[str, Any]:
    """A document with one figure, ``warm_p99`` of reads, for these contenders."""
    made = whole()
    template = next(one for one in made["measurements"] if one["name"] == "warm_p99")
    made["measurements"] = [
        {**template, "contender": contender, "value": value, "conditions": {"horizon_s": 30}}
        for contender, value in figures.items()
    ]
    return made


def judged(figures: Mapping[str, object], **rule: Any) -> dict[str, Any]:
    """What a rule about ``warm_p99`` comes to."""
    given_rule = {"id": "r", "when": "w", "source": {"dimension": "reads", "name": "warm_p99"}, "prefer": "lowest", **rule}
    [verdict] = verdicts.reading(document(figures), [verdicts.Rule(**given_rule)])["verdicts"]
    return verdict


def test_every_pointer_of_every_verdict_resolves_to_what_the_cell_shows() -> None:
    """A reader who doubts a verdict finds the rule and each figure where the verdict says."""
    made = whole()
    cells = 0
    for at, verdict in enumerate(made["verdicts"]["verdicts"]):
        assert resolve(made, verdict["rule"]) == made["verdicts"]["rules"][at]
        assert resolve(made, verdict["rule"])["id"] == verdict["id"]
        for cell in verdict["cells"]:
            found = resolve(made, cell["pointer"])
            assert (found["can"] if isinstance(found, dict) else found) == cell["value"]
            cells += 1
    assert cells > 50
    for one in made["verdicts"]["summary"]:
        assert all(one["subject"] in resolve(made, pointer)["choose"] for pointer in one["verdicts"])


def test_the_made_up_result_has_only_figures_that_experiments_make() -> None:
    """Else the rules above would be held to names that no comparison ever has."""
    sources = "".join(file.read_text(encoding="utf-8") for file in sorted(EXPERIMENTS.glob("*.py")))
    for one in measured()["measurements"]:
        stem = re.sub(r"_(careful|trusting|default|shipped|ms|p\d\d|after_\w+)$", "", one["name"])
        assert re.search(rf"\b{stem}|\"{stem}", sources), one["name"]


def test_each_rule_names_a_figure_of_the_made_up_result() -> None:
    """A rule about a figure that nobody measures would never decide anything, and nobody would notice."""
    known = measured()["measurements"]
    for rule in verdicts.load():
        if "dimension" in rule.source:
            wanted = re.compile(rule.source["name"].replace("*", ".*"))
            assert any(one["dimension"] == rule.source["dimension"] and wanted.fullmatch(one["name"]) for one in known), rule.id
    assert len({rule.id for rule in verdicts.load()}) == len(verdicts.load())


def test_every_rule_decides_on_a_whole_result() -> None:
    """A rule that a complete comparison leaves open can never tell a reader anything."""
    assert [one["id"] for one in whole()["verdicts"]["verdicts"] if one["state"] == "not decided"] == []


def test_who_has_no_quota_is_told_of_beside_those_that_have_one() -> None:
    """Else a reader takes it that Vault's reads stay below no quota, or that nobody thought of them."""
    [verdict] = [one for one in whole()["verdicts"]["verdicts"] if one["id"] == "burst"]
    told = {cell["subject"]: cell["note"] for cell in verdict["cells"] if cell["value"] is None}
    assert told == dict.fromkeys(("vault-dynamic", "vault-static", "vault-kv"), "made up: Vault has no quota of an account.")


def test_ready_made_policies_choose_nothing() -> None:
    """HashiCorp makes none that opens a secret: what was tried of Vault's has a policy of ours in it, and AWS's has not."""
    assert "readable_default" not in {rule.source.get("name") for rule in verdicts.load()}


def test_what_a_rule_leaves_out_does_not_count() -> None:
    """A password that somebody changes at the database ends any copy: that says nothing about the store."""
    made = document({"vault-kv.layer": 9, "ssm.boto3": 8, "env.plain": 7})
    made["measurements"] += [{**one, "name": "warm_p98", "value": 0} for one in made["measurements"]]
    source = {"dimension": "reads", "name": "warm_p9*", "without": "warm_p98"}
    rule = verdicts.Rule("r", "w", source, "lowest")
    [verdict] = verdicts.reading(made, [rule])["verdicts"]
    assert (verdict["choose"], [cell["value"] for cell in verdict["cells"]]) == (["env"], [9, 8, 7])
    assert "warm_p9* of reads, but warm_p98" in rule.in_words()


def test_no_rule_names_a_winner() -> None:
    """A rule's data hold no id of a store or a scenario."""
    made = whole()
    names = {*made["stores"], *(one["id"] for one in made["cost"]["scenarios"])}
    for rule in verdicts.load():
        assert not names & set(re.split(r"[^a-z0-9-]+", f"{rule.source} {rule.prefer} {rule.enough} {rule.within}"))


def test_the_best_way_of_each_store_counts() -> None:
    """A store isn't judged by its slowest client."""
    verdict = judged({"vault-kv.hvac": 90, "vault-kv.layer": 5, "ssm.boto3": 20})
    assert verdict["choose"] == ["vault-kv"]
    assert [(cell["subject"], cell["value"]) for cell in verdict["cells"]] == [("vault-kv", 5), ("ssm", 20)]


@pytest.mark.parametrize(("other", "chosen"), [(15, ["ssm"]), (16, ["vault-kv"])])
def test_what_is_within_the_factor_is_as_good(other: float, chosen: list[str]) -> None:
    """With a factor of 1.5, 15 is as good as 10, and 16 isn't; a third, far off, keeps it a choice."""
    verdict = judged({"vault-kv.layer": 10, "ssm.boto3": other, "env.plain": 99}, within=1.5)
    assert verdict["choose"] == sorted({"vault-kv", *chosen})


def test_good_enough_is_as_good_as_the_best() -> None:
    """Where up to 1 is good enough, 0.9 isn't worse than 0.1; 1.1 is."""
    verdict = judged({"vault-kv.layer": 0.1, "ssm.boto3": 0.9, "env.plain": 1.1}, enough=1)
    assert verdict["choose"] == ["ssm", "vault-kv"]


def test_a_figure_of_few_samples_decides_nothing() -> None:
    """A quick run's median of one cold start names no winner; it is shown, and it is said what is missing."""
    made = document({"vault-kv.layer": 10, "ssm.boto3": 90})
    for one in made["measurements"]:
        one["samples"] = 9
    made["measurements"].append({**made["measurements"][1], "contender": "ssm.powertools", "value": 95, "samples": 10})

    def verdict(least: int) -> dict[str, Any]:
        rule = verdicts.Rule("r", "w", {"dimension": "reads", "name": "warm_p99"}, "lowest", samples=least)
        judgement: dict[str, Any] = verdicts.reading(made, [rule])["verdicts"][0]
        return judgement

    assert verdict(9)["choose"] == ["vault-kv"]
    assert (verdict(10)["state"], verdict(10)["choose"]) == ("not decided", [])
    assert "only ssm has a figure" in verdict(10)["why"]
    assert "no figure has the 11 samples" in verdict(11)["why"]
    assert {cell["value"] for cell in verdict(11)["cells"]} == {10, 90}
    for one in made["measurements"]:
        one |= {"samples": 0, "tag": "computed"}
    assert verdict(11)["choose"] == ["vault-kv"], "what was computed has no samples"


def test_times_of_different_places_are_not_compared() -> None:
    """A store on loopback never wins against one that was reached over a network."""
    made = document({"vault-kv.layer": 10, "ssm.boto3": 90_000})
    for one, place in zip(made["measurements"], ("loopback", "aws"), strict=True):
        one["place"] = place
    rule = verdicts.Rule("r", "w", {"dimension": "reads", "name": "warm_p99"}, "lowest")
    [verdict] = verdicts.reading(made, [rule])["verdicts"]
    assert (verdict["state"], verdict["choose"]) == ("not decided", [])
    assert "different places, aws and loopback" in verdict["why"]


def test_the_highest_can_be_preferred() -> None:
    """The same rule from the other end."""
    assert judged({"vault-kv.layer": 3, "ssm.boto3": 2}, prefer="highest")["choose"] == ["vault-kv"]


def test_never_is_later_than_any_time() -> None:
    """A credential that was still let in at the horizon is worse than the slowest that ended."""
    assert judged({"vault-kv.layer": "never", "ssm.boto3": 1e9})["choose"] == ["ssm"]
    assert judged({"vault-kv.layer": "never", "ssm.boto3": "never"})["state"] == "no difference"


def test_all_as_good_is_no_difference_and_chooses_nobody() -> None:
    """That there is nothing to choose is said, not hidden behind a list of all."""
    verdict = judged({"vault-kv.layer": 7, "ssm.boto3": 7})
    assert (verdict["state"], verdict["choose"]) == ("no difference", [])


@pytest.mark.parametrize(
    ("figures", "says"),
    [
        ({}, "nothing has a figure for warm_p99 of reads"),
        ({"vault-kv.layer": None, "ssm.boto3": None}, "nothing has a figure"),
        ({"vault-kv.layer": 1, "vault-static.layer": 2, "ssm.boto3": None}, "only vault has a figure"),
        ({"ssm.boto3": 1, "ssm-reference.powertools": 2}, "only ssm has a figure"),
        ({"vault-kv.layer": "about five minutes", "ssm.boto3": 2}, "only ssm has a figure"),
    ],
)
def test_without_figures_nothing_is_decided(figures: dict[str, object], says: str) -> None:
    """Missing figures, or those of one product alone, make no verdict; it is said what is missing."""
    verdict = judged(figures)
    assert (verdict["state"], verdict["choose"]) == ("not decided", [])
    assert verdict["why"].startswith("not decided: ")
    assert says in verdict["why"]


def test_a_feature_is_chosen_in_full_before_in_part() -> None:
    """A row of the matrix: whoever can do it in full wins over whoever can partly."""
    made = whole()
    [verdict] = [one for one in made["verdicts"]["verdicts"] if one["id"] == "regions"]
    assert verdict["choose"] == ["secretsmanager"]


def test_an_unpublished_price_leaves_its_scenario_out_and_says_why() -> None:
    """HCP's cost is no number, so it neither wins nor loses."""
    made = whole()
    [verdict] = [one for one in made["verdicts"]["verdicts"] if one["id"] == "cost_large"]
    [cell] = [one for one in verdict["cells"] if one["subject"] == "vault-hcp"]
    assert (cell["value"], cell["wins"]) == (None, False)
    assert "nobody publishes" in cell["note"]


def test_a_cheaper_store_that_cannot_do_what_is_needed_does_not_count() -> None:
    """Where passwords must be rotated, variables are the cheapest and out: the reason stands in their cells."""
    [verdict] = [one for one in whole()["verdicts"]["verdicts"] if one["id"] == "cost_small"]
    assert verdict["choose"] == ["ssm-advanced", "ssm-standard"]
    out = {cell["subject"]: cell["note"] for cell in verdict["cells"] if cell["note"].startswith("does not count")}
    assert set(out) == {"env-plain", "env-kms"}
    assert out["env-plain"] == "does not count: A stored password is changed on a schedule: not in full"


@given(values=st.lists(st.floats(0, 1e6), min_size=2, max_size=4, unique=True), within=st.floats(1, 3))
def test_a_choice_is_never_beaten_by_what_was_not_chosen(values: list[float], within: float) -> None:
    """Whatever the numbers are: no value outside the choice is better than one inside it, and the best is always inside."""
    contenders = ("vault-kv.layer", "ssm.boto3", "env.plain", "secretsmanager.boto3")
    verdict = judged(dict(zip(contenders, values, strict=False)), within=within)
    inside = [cell["value"] for cell in verdict["cells"] if cell["wins"]]
    outside = [cell["value"] for cell in verdict["cells"] if not cell["wins"]]
    assert min(values) in inside
    assert not outside or max(inside) <= min(outside)


def test_every_rule_is_told_in_words() -> None:
    """The page shows what a rule does, not only its name: its figure, its end, its tolerances."""
    words = {rule.id: rule.in_words() for rule in verdicts.load()}
    assert "warm_p99 of reads" in words["warm_read"]
    assert "lowest is chosen" in words["warm_read"]
    assert "within a factor of 1.5" in words["warm_read"]
    assert "at most 5 is as good" in words["leak"]
    assert "load burst" in words["burst"]


def test_readings_replace_earlier_ones_and_change_no_measurement() -> None:
    """Added twice is added once; what was measured stays as it was."""
    once = whole()
    assert readings.add(once, prices.load()) == once
    assert once["measurements"] == measured()["measurements"]
