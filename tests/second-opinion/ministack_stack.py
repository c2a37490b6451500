"""The packages under ministack, deployed from template.yaml by its CloudFormation, as the other of the two that are asked."""

import json
import os
import pathlib
import signal
import socket
import string
import subprocess
import sys
import tempfile
import time
import urllib.request

from samtranslator.yaml_helper import yaml_parse

from calls import Api
from doors import QUEUES, Doors

TEMPLATE = pathlib.Path(__file__).resolve().parents[2] / "template.yaml"
REGION = "eu-central-1"
STACK = "kith"
BUCKET = "packages"
START_SECONDS = 120
PARAMETERS = {"Sender": "bakery@bakery.example", "SenderIdentity": "bakery.example", "DeletionProtection": "false"}


def resource_of(function):
    """The name of a function in the template: `DueWork` of `due-work`."""
    return "".join(word.title() for word in function.split("-"))


class Ministack:
    name = "ministack"
    # Requests of the collection that fail here: preflights, which it answers itself, and answers without a body, to which it
    # gives the type of JSON.
    not_collected = (
        "May a page record a click?", "May a page make an offer?",
        "Follow a link of a test program", "Revoke a key", "Delete a webhook", "Delete an order source",
    )

    def __init__(self, zips, out):
        self.zips = zips
        self.folder = tempfile.TemporaryDirectory(prefix="kith-second-opinion-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        # Of this machine's settings it inherits nothing but where programs are. Functions inherit what it is given, so no
        # template needs to say where the services are.
        environment = {
            "PATH": os.environ["PATH"], "HOME": self.folder.name, "TMPDIR": self.folder.name,
            "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "MINISTACK_REGION": REGION, "AUTH": "true",
            **{f"AWS_ENDPOINT_URL_{service}": self.url for service in ("DYNAMODB", "SQS", "SESV2")},
        }
        self.path = out / "ministack.log"
        program = pathlib.Path(sys.executable).with_name("ministack")
        # A group of its own: the functions are its children, and end with it.
        self.process = subprocess.Popen(
            [program], env=environment, stdout=open(self.path, "w", encoding="utf-8"), stderr=subprocess.STDOUT,
            cwd=self.folder.name, start_new_session=True)
        try:
            self._await_start()
            self.doors = Doors(self.url, REGION, "test")
            self._deploy()
        except BaseException:
            self.stop()
            raise

    def _await_start(self):
        ends = time.monotonic() + START_SECONDS
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=5).close()
                return
            except OSError:
                if time.monotonic() > ends or self.process.poll() is not None:
                    raise SystemExit(f"ministack did not start; see {self.path}") from None
                time.sleep(0.2)

    def _deploy(self):
        # The template asks for one that is there.
        self.doors.client("sesv2").create_email_identity(EmailIdentity=PARAMETERS["SenderIdentity"])
        cloudformation = self.doors.client("cloudformation")
        cloudformation.create_stack(
            StackName=STACK, TemplateURL=self._package(), Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in PARAMETERS.items()])
        while (stack := cloudformation.describe_stacks(StackName=STACK)["Stacks"][0])["StackStatus"] == "CREATE_IN_PROGRESS":
            time.sleep(0.2)
        if stack["StackStatus"] != "CREATE_COMPLETE":
            events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
            reasons = [f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
                       for event in events if event["ResourceStatus"].endswith("_FAILED")]
            raise SystemExit("ministack refuses the template: " + "; ".join(reasons))
        resources = cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
        self.names = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}
        self._add_routes(cloudformation)
        secret = lambda name: self.doors.client("secretsmanager").get_secret_value(SecretId=self.names[name])["SecretString"]
        self.api = Api(
            f"{self.url}/_aws/execute-api/{self.names['HttpApi']}",
            f"kith_live_operator1{secret('OperatorKey')}", f"kith_test_operator1{secret('TestOperatorKey')}")

    def _package(self):
        """Does what `sam package` does, and makes up for what ministack does not do: each of these is a row of
        docs/SECOND-OPINION.md."""
        s3 = self.doors.client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        template = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))
        del template["Globals"]["Function"]["CodeUri"]
        resources = template["Resources"]
        for name, resource in list(resources.items()):
            properties = resource.get("Properties", {})
            if resource["Type"] == "AWS::Serverless::Function":
                package = f"{resource['Metadata']['BuildProperties']['Binary']}.zip"
                zipped = self.zips / package.removesuffix(".zip") / "bootstrap.zip"
                s3.put_object(Bucket=BUCKET, Key=package, Body=zipped.read_bytes())
                properties["CodeUri"] = f"s3://{BUCKET}/{package}"
                variables = properties.get("Environment", {}).get("Variables", {})
                if "KITH_PUBLIC_URL" in variables:
                    # By plain HTTP the functions know that they are on one machine, where webhooks may go to.
                    variables["KITH_PUBLIC_URL"] = self.url
            elif resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in properties:
                # It knows no alarm that adds metrics up.
                del resources[name]
            elif resource["Type"] == "AWS::IAM::Role":
                for policy in properties["Policies"]:
                    for statement in policy["PolicyDocument"]["Statement"]:
                        if statement["Action"] == "sqs:SendMessage":
                            # For a batch it asks for an action that AWS does not have.
                            statement["Action"] = ["sqs:SendMessage", "sqs:SendMessageBatch"]
                        elif statement["Action"] == "ses:SendEmail":
                            # It knows neither the identity that a mail is sent by, nor the condition.
                            statement["Resource"] = "*"
                            del statement["Condition"]
            elif resource["Type"] == "AWS::SecretsManager::Secret":
                # It does not read ExcludePunctuation here.
                properties["GenerateSecretString"]["ExcludeCharacters"] = string.punctuation
        s3.put_object(Bucket=BUCKET, Key="template.json", Body=json.dumps(template).encode())
        return f"{self.url}/{BUCKET}/template.json"

    def _add_routes(self, cloudformation):
        """Its API does not read the document that the SAM transform gives it: each route is made as the document says."""
        expanded = cloudformation.get_template(StackName=STACK, TemplateStage="Processed")["TemplateBody"]
        gateway, api = self.doors.client("apigatewayv2"), self.names["HttpApi"]
        functions = self.doors.client("lambda")
        integrations = {}
        for path, methods in expanded["Resources"]["HttpApi"]["Properties"]["Body"]["paths"].items():
            for method, operation in methods.items():
                integration = operation["x-amazon-apigateway-integration"]
                function = integration["uri"]["Fn::Sub"].rsplit("${", 1)[1].split(".Arn}")[0]
                if function not in integrations:
                    found = functions.get_function(FunctionName=self.names[function])
                    integrations[function] = gateway.create_integration(
                        ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=found["Configuration"]["FunctionArn"],
                        PayloadFormatVersion=integration["payloadFormatVersion"])["IntegrationId"]
                key = path if path == "$default" else f"{method.upper()} {path}"
                gateway.create_route(ApiId=api, RouteKey=key, Target=f"integrations/{integrations[function]}")

    def stop(self):
        """Ends ministack and every function that it started."""
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, how)
                self.process.wait(timeout=10)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self.folder.cleanup()

    def _log(self):
        return self.path.read_text(encoding="utf-8", errors="replace")

    def mails(self):
        """Mails that were sent through SES: whom they are to, and their text."""
        with urllib.request.urlopen(f"{self.url}/_ministack/ses/messages", timeout=10) as answer:
            accounts = json.load(answer)["messages"].values()
        return [(mail["To"][0], mail["BodyText"]) for mails in accounts for mail in mails]

    def hurry(self):
        """Lets messages that fail come again after ten seconds instead of the minutes of the template. Any sooner, and a slow
        machine takes one that is being worked for one that failed."""
        sqs = self.doors.client("sqs")
        for name in QUEUES:
            sqs.set_queue_attributes(QueueUrl=self.doors.queue(f"{name}Queue"), Attributes={"VisibilityTimeout": "10"})

    def under_role(self, function):
        """The doors as a function sees them: under its role, which for that has to trust somebody besides Lambda."""
        iam, sts = self.doors.client("iam"), self.doors.client("sts")
        role = iam.get_role(RoleName=self.names[f"{resource_of(function)}Role"])["Role"]
        trust = role["AssumeRolePolicyDocument"]
        trust["Statement"].append({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"})
        iam.update_assume_role_policy(RoleName=role["RoleName"], PolicyDocument=json.dumps(trust))
        key = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="second-opinion")["Credentials"]
        return Doors(
            self.url, REGION, key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"], owner=self.doors)

    def has_run(self, function):
        """Whether a function was started, by what ministack logs."""
        return f"environment spawned for {STACK}-{resource_of(function)}-" in self._log()

    def panics(self):
        return [line.strip() for line in self._log().splitlines() if "panicked" in line]
