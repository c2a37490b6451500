"""Prints template.yaml as CloudFormation sees it, after the SAM transform.

cfn-lint sees less in a SAM template than in the plain one: a dangling reference inside a policy passes, for example.
Usage: expand.py TEMPLATE, with the Python of an environment that holds aws-sam-translator and cfn-lint.
"""

import json
import sys

from cfnlint.decode.cfn_yaml import load
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

REGION = "eu-central-1"


def plain(value):
    """The same value in the builtin types, which the translator copies and compares faultlessly."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


def main() -> None:
    template = plain(load(sys.argv[1]))
    # Code is uploaded by `sam deploy`; until then it stands nowhere.
    template["Globals"]["Function"]["CodeUri"] = "s3://bucket/code.zip"
    parameters = {
        name: parameter.get("Default", "")
        for name, parameter in template["Parameters"].items()
    }
    parameters["AWS::Region"] = REGION
    parser = Parser()
    # No function asks for a managed policy, so nothing is looked up in an account.
    expanded = Translator({}, parser).translate(template, parameters)
    json.dump(expanded, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
