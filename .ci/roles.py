"""Holds the roles of template.yaml against those of its expansion: the SAM transform must neither change nor add any.

The tests compare what the functions do with the roles as the local bundle reads them, from template.yaml. What is
deployed is the expansion; this says that it is the same, so that the tests speak of it too.
Usage: roles.py TEMPLATE EXPANDED, with the Python of an environment that holds cfn-lint.
"""

import json
import sys

from cfnlint.decode.cfn_yaml import load

from expand import plain


def of_type(template, *kinds):
    resources = template["Resources"].items()
    return {name: resource for name, resource in resources if resource["Type"] in kinds}


def policies(template):
    """Whatever gives somebody a right: roles, policies outside them, and policies of what is asked."""
    return {
        name: resource for name, resource in template["Resources"].items()
        if resource["Type"].startswith("AWS::IAM::") or resource["Type"].endswith("Policy")
    }


def faults(written, expanded):
    before, after = policies(written), policies(expanded)
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield f"{name}: the transform adds a {after[name]['Type']}"
        elif name not in after:
            yield f"{name}: the transform drops it"
        elif before[name] != after[name]:
            yield f"{name}: the transform changes it"
    functions = of_type(written, "AWS::Serverless::Function")
    deployed = of_type(expanded, "AWS::Lambda::Function")
    for name in sorted(functions.keys() | deployed.keys()):
        role = functions.get(name, {}).get("Properties", {}).get("Role")
        taken = deployed.get(name, {}).get("Properties", {}).get("Role")
        if role is None or role != taken:
            yield f"{name}: it is written with the role {role}, and deployed with {taken}"


def main() -> None:
    written = plain(load(sys.argv[1]))
    with open(sys.argv[2], encoding="utf-8") as file:
        expanded = json.load(file)
    found = list(faults(written, expanded))
    if found or not policies(expanded):
        sys.exit("\n".join(found or ["there are no roles"]))


if __name__ == "__main__":
    main()
