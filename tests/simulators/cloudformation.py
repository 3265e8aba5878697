"""What CloudFormation makes of a template and its parameters, without making anything.

Rules: conditions are decided and intrinsic functions resolved, as far as our templates use them; what isn't known here is an
error, not a guess, and so is naming a resource that the conditions leave out. A resource's ``Ref`` is its ARN where
CloudFormation's is one, else its logical name; an attribute is ``<logical name>.<attribute>``. Account and region are always the
same.

Source: "Intrinsic function reference" and "Pseudo parameters reference" of the AWS CloudFormation template reference.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

ACCOUNT, REGION = "123456789012", "us-east-1"
_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "stack",
}
_NOTHING = object()
_SECRET, _ATTACHMENT = "AWS::SecretsManager::Secret", "AWS::SecretsManager::SecretTargetAttachment"


class Dangling(AssertionError):
    """A resource is named that isn't there: CloudFormation refuses the whole template."""


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    else:
        value = loader.construct_sequence(node, deep=True)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _intrinsic)


def read(text: str) -> dict[str, Any]:
    """A template, its intrinsic functions in their long form."""
    found: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506 - a safe loader with one more constructor
    return found


class Deployed:
    """A template with its parameters.

    Args:
        template: from `read`.
        parameters: those without a default, and whatever differs from it.
    """

    def __init__(self, template: dict[str, Any], **parameters: str) -> None:
        self.template = template
        self._parameters = {
            name: parameters.get(name, one.get("Default")) for name, one in template.get("Parameters", {}).items()
        }
        assert not parameters.keys() - self._parameters.keys()
        self.resources: dict[str, dict[str, Any]] = {
            name: {**one, "Properties": self.resolve(one.get("Properties", {}))}
            for name, one in template["Resources"].items()
            if self._there(one)
        }
        self.outputs: dict[str, Any] = {
            name: self.resolve(one["Value"]) for name, one in template.get("Outputs", {}).items() if self._there(one)
        }

    def of(self, *types: str) -> dict[str, dict[str, Any]]:
        """The properties of the resources of some types that exist, by logical name."""
        return {name: one["Properties"] for name, one in self.resources.items() if one["Type"] in types}

    def refusals(self) -> list[str]:
        """What the template's parameters and rules say against the values."""
        return [
            *(f"{name}: {value!r}" for name, value in self._parameters.items() if not self._allowed(name, str(value))),
            *self._broken_rules(),
        ]

    def _allowed(self, name: str, value: str) -> bool:
        about = self.template["Parameters"][name]
        listed = value in map(str, about.get("AllowedValues", [value]))
        if about["Type"] == "Number":
            least, most = about.get("MinValue", value), about.get("MaxValue", value)
            return listed and float(least) <= float(value) <= float(most)
        return (
            listed and len(value) >= about.get("MinLength", 0) and re.search(about.get("AllowedPattern", ""), value) is not None
        )

    def _broken_rules(self) -> list[str]:
        return [
            assertion["AssertDescription"]
            for rule in self.template.get("Rules", {}).values()
            if "RuleCondition" not in rule or self._true(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self._true(assertion["Assert"])
        ]

    def holds(self, condition: str) -> bool:
        """Whether a named condition is true."""
        return self._true(self.template["Conditions"][condition])

    def decided(self) -> dict[str, Any]:
        """The template with its conditions decided: what is left out is gone, each ``Fn::If`` has become one of its branches."""
        there = {
            part: {name: self._chosen(one) for name, one in self.template.get(part, {}).items() if self._there(one)}
            for part in ("Resources", "Outputs")
        }
        values = {name: {**one, "Default": self._parameters[name]} for name, one in self.template.get("Parameters", {}).items()}
        rest = {
            name: self.template[name] for name in ("AWSTemplateFormatVersion", "Transform", "Metadata") if name in self.template
        }
        return {**rest, "Parameters": values, **{part: made for part, made in there.items() if made}}

    def _chosen(self, value: Any) -> Any:
        if isinstance(value, list):
            return [found for one in value if (found := self._chosen(one)) is not _NOTHING]
        if not isinstance(value, dict):
            return value
        if value == {"Ref": "AWS::NoValue"}:
            return _NOTHING
        if "Fn::If" in value:
            condition, then, otherwise = value["Fn::If"]
            return self._chosen(then if self.holds(condition) else otherwise)
        pairs = ((key, self._chosen(one)) for key, one in value.items() if key != "Condition" or not isinstance(one, str))
        return {key: found for key, found in pairs if found is not _NOTHING}

    def resolve(self, value: Any) -> Any:
        """A value without intrinsic functions."""
        found = self._resolved(value)
        return None if found is _NOTHING else found

    def _there(self, one: dict[str, Any]) -> bool:
        return "Condition" not in one or self.holds(one["Condition"])

    def _true(self, value: dict[str, Any]) -> bool:
        ((name, argument),) = value.items()
        if name == "Condition":
            return self.holds(argument)
        if name == "Fn::Equals":
            left, right = (self.resolve(one) for one in argument)
            return str(left) == str(right)
        if name == "Fn::Not":
            return not self._true(argument[0])
        return {"Fn::And": all, "Fn::Or": any}[name](self._true(one) for one in argument)

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, list):
            return [found for one in value if (found := self._resolved(one)) is not _NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref":
                return self._ref(argument)
            if name.startswith("Fn::"):
                return self._call(name.removeprefix("Fn::"), argument)
        pairs = ((key, self._resolved(one)) for key, one in value.items())
        return {key: found for key, found in pairs if found is not _NOTHING}

    def _call(self, name: str, argument: Any) -> Any:
        if name == "If":
            condition, then, otherwise = argument
            return self._resolved(then if self.holds(condition) else otherwise)
        if name == "Sub":
            return self._substituted(*argument) if isinstance(argument, list) else self._substituted(argument, {})
        if name == "GetAtt":
            return self._attribute(*(argument.split(".", 1) if isinstance(argument, str) else argument))
        if name == "Split":
            return self.resolve(argument[1]).split(argument[0])
        if name == "Join":
            return argument[0].join(self.resolve(argument[1]))
        if name == "Select":
            return self.resolve(argument[1])[int(argument[0])]
        raise NotImplementedError(name)

    def _substituted(self, text: str, values: dict[str, Any]) -> str:
        def found(name: str) -> Any:
            return self.resolve(values[name]) if name in values else self._named(name)

        return re.sub(r"\$\{([^}]+)\}", lambda place: str(found(place[1])), text)

    def _named(self, text: str) -> Any:
        name, dot, attribute = text.partition(".")
        return self._attribute(name, attribute) if dot else self._ref(name)

    def _attribute(self, name: str, attribute: str) -> str:
        self._resource(name)
        return f"{name}.{attribute}"

    def _resource(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self.template["Resources"].get(name)
        if found is None or not self._there(found):
            raise Dangling(name)
        return found

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NOTHING
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name in self._parameters:
            given = self._parameters[name]
            listed = self.template["Parameters"][name]["Type"] == "CommaDelimitedList"
            return [one.strip() for one in given.split(",")] if listed else given
        resource = self._resource(name)
        if resource["Type"] == _SECRET:
            called = self.resolve(resource["Properties"].get("Name", name))
            return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{called}-AbCdEf"
        return self.resolve(resource["Properties"]["SecretId"]) if resource["Type"] == _ATTACHMENT else name
