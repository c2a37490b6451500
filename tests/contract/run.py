#!/usr/bin/env python3
"""Holds a running bundle against its contract: starts one, fills it, and calls newman or schemathesis.

    python tests/contract/run.py BUNDLE newman   NEWMAN [arguments of newman run]
    python tests/contract/run.py BUNDLE schemathesis SCHEMATHESIS [arguments of schemathesis run]

BUNDLE is the local command, built. It then listens on a free port of the loopback, keeps its data in memory, and ends with
this script. Its log goes into the folder named by --out. The exit status is that of the tool, and 1 when the bundle printed a
fault of its own. Or it is the base URL of one that runs, with the operator keys that KITH_OPERATOR_KEY and
KITH_TEST_OPERATOR_KEY name.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
DOCUMENT = HERE.parent.parent / "shared" / "contract" / "openapi.json"
COLLECTION = HERE.parent.parent / "shared" / "contract" / "postman.json"
LIVE_KEY = "kith_live_for-the-contract-and-nothing-else"
TEST_KEY = "kith_test_for-the-contract-and-nothing-else"
START_SECONDS = 60


class Somewhere:
    """A bundle that runs, wherever that is."""

    faults = ()

    def __init__(self, url, live_key, test_key):
        self.url, self.live_key, self.test_key = url, live_key, test_key

    def has_ended(self):
        return False

    def stop(self):
        pass

    def call(self, method, path, body=None):
        """One call; the JSON of its answer. What is refused ends the script: the seed has to be right."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        request.add_header("authorization", f"Bearer {self.test_key}")
        request.add_header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
        if data is not None:
            request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as refusal:
            raise SystemExit(f"the seed was refused: {method} {path}: {refusal.code} {refusal.read().decode()}")
        return json.loads(text) if text.startswith(("{", "[")) else text


class Bundle(Somewhere):
    """The local command in a process of its own."""

    def __init__(self, binary, log):
        super().__init__(None, LIVE_KEY, TEST_KEY)
        environment = {**os.environ, "KITH_OPERATOR_KEY": LIVE_KEY, "KITH_TEST_OPERATOR_KEY": TEST_KEY}
        self.log = open(log, "w", encoding="utf-8")
        self.process = subprocess.Popen(
            [binary, "--ephemeral", "--port", "0", "--verbose"],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )
        self.faults = []
        self.ready = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        if not self.ready.wait(START_SECONDS) or self.url is None:
            self.stop()
            raise SystemExit(f"the bundle did not start; see {log}")

    def _read(self):
        for line in self.process.stdout:
            self.log.write(line)
            found = re.search(r"API +(http://[^/\s]+)", line)
            if found and self.url is None:
                self.url = found[1]
                self.ready.set()
            if " ERROR " in line or '"level":"ERROR"' in line or "panicked" in line:
                self.faults.append(line.strip())
        self.ready.set()

    def has_ended(self):
        return self.process.poll() is not None

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.flush()


def program(name):
    """A program with an incentive of each kind."""
    cash = {"kind": "cash", "amount": {"amount": 500, "currency": "EUR"}}
    return {
        "name": name, "destination_url": "https://bakery.example/welcome", "hold_days": 0,
        "incentives": [
            {"id": "thank-you", "on": "purchase", "beneficiary": "referrer", "reward": cash},
            {"id": "points", "on": "purchase", "beneficiary": "referrer", "reward": {"kind": "points", "points": 100}},
            {"id": "friend-10", "on": "purchase", "beneficiary": "referee",
             "reward": {"kind": "discount", "basis_points": 1000}},
            {"id": "welcome", "on": "purchase", "beneficiary": "referee", "grant": "at_checkout",
             "reward": {"kind": "discount", "basis_points": 500}},
        ],
        "surveys": [{"id": "after-reward", "on": "reward.issued", "to": "referrer", "delay_hours": 0}],
    }


def seed(bundle):
    """Something of everything, so that ids in paths and bodies name what is there."""
    words = {}

    def keep(name, *values):
        words.setdefault(name, []).extend(value for value in values if value)

    for name in ("Joe's Artisan Bakery", "Second program"):
        made = bundle.call("POST", "/v1/programs", program(name))
        keep("program", made["id"])
    home = words["program"][0]
    at = f"/v1/programs/{home}"
    for person in ("ann", "cem", "dee", "eva"):
        made = bundle.call("POST", f"{at}/participants", {
            "external_id": person, "email": f"{person}@example.com", "first_name": person.title(),
            "vanity_code": f"{person}-bakes", "consent": {"surveys": True}})
        keep("participant", made["id"])
        keep("code", made["code"])
        click = bundle.call("POST", f"{at}/clicks", {"code": made["code"], "consent": {"tracking": True}})
        keep("click_token", click["click_token"])
    for number in range(6):
        order = f"order-{number}"
        conversion = bundle.call("POST", f"{at}/conversions", {
            "event": "purchase", "external_id": order, "amount": {"amount": 4500, "currency": "EUR"},
            "referee": {"external_id": f"friend-{number}", "email": f"friend-{number}@example.com"},
            "codes": [words["code"][number % 4]]})
        keep("conversion", conversion["id"])
        keep("order", order)
        keep("reward", *(reward["id"] for reward in conversion["rewards"]))
    bundle.call("POST", f"{at}/test-clock/advance", {"seconds": 60})
    refund = bundle.call("POST", f"{at}/conversions/{words['conversion'][5]}/refunds", {
        "external_id": "refund-1", "amount": {"amount": 1000, "currency": "EUR"}})
    keep("refund", refund["id"])
    spent = bundle.call("POST", f"{at}/participants/{words['participant'][0]}/redemptions", {
        "external_id": "spent-1", "unit": "points", "amount": 10})
    keep("redemption", spent["id"])
    payout = bundle.call("POST", f"{at}/payouts", {"currency": "EUR"})
    keep("payout", payout["id"])
    bundle.call("POST", f"{at}/voucher-lists/friend-10/codes", {"codes": ["OWN-1", "OWN-2"]})
    keep("incentive", "friend-10", "thank-you")
    for name in ("first", "second", "third"):
        made = bundle.call("POST", "/v1/keys", {"name": name, "program_id": home, "scopes": ["rewards:read"]})
        keep("key", made["id"])
    for platform in ("shopify", "woocommerce", "stripe"):
        made = bundle.call("POST", f"{at}/order-sources", {"platform": platform, "secret": "a-secret-of-the-shop"})
        keep("source", made["id"])
    # Nobody listens there, so that deliveries fail at once.
    keep("webhook_url", "http://127.0.0.1:9/kith")
    for types in ([], ["reward.issued"]):
        made = bundle.call("POST", f"{at}/webhooks", {"url": words["webhook_url"][0], "types": types})
        keep("webhook", made["id"])
    bundle.call("POST", f"{at}/webhooks/{words['webhook'][0]}/test", {})
    keep("event", *(event["id"] for event in bundle.call("GET", f"{at}/events?limit=20")["data"]))
    mails = json.dumps(bundle.call("GET", f"{at}/test-mails"))
    keep("survey_token", *dict.fromkeys(re.findall(r"/s/([0-9A-Za-z_-]+)", mails)))
    keep("unsubscribe_token", *dict.fromkeys(re.findall(r"/u/([0-9A-Za-z_-]+)", mails)))
    for reward in bundle.call("GET", f"{at}/rewards?limit=100")["data"]:
        keep("voucher_code", reward.get("voucher_code"))
    return words


def configuration(words, folder):
    """The settings of schemathesis with the words of this bundle."""
    lines = [(HERE / "schemathesis.toml").read_text(encoding="utf-8"), "\n[dictionaries]"]
    lines += [f"{name} = {{ values = {json.dumps(values)} }}" for name, values in words.items()]
    path = folder / "schemathesis.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def command(options, bundle, folder):
    tool, rest = os.path.abspath(options.tool[0]), options.tool[1:]
    if options.kind == "newman":
        words = {"base_url": bundle.url, "operator_key": bundle.test_key, "live_operator_key": bundle.live_key}
        variables = [part for name, value in words.items() for part in ("--env-var", f"{name}={value}")]
        # Elsewhere, what cannot be read is one fault among others.
        bail = ["--bail", "folder"] if isinstance(bundle, Bundle) else []
        return [tool, "run", str(COLLECTION), *bail, *variables, *rest]
    words = seed(bundle)
    os.environ.update(KITH_KEY=bundle.test_key, KITH_PROGRAM=words["program"][0], KITH_HOOKS=str(HERE / "hooks.py"))
    settings = configuration(words, folder)
    return [tool, "--config-file", str(settings), "run", str(DOCUMENT), "--url", bundle.url, *rest]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", help="the local command, built, or the base URL of a bundle that runs")
    parser.add_argument("--out", default="target/contract", help="a folder for logs and reports")
    parser.add_argument("kind", choices=["newman", "schemathesis"])
    parser.add_argument("tool", nargs=argparse.REMAINDER, help="the tool and its arguments")
    options = parser.parse_args()
    folder = pathlib.Path(options.out).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{options.kind}-bundle.log"
    if options.bundle.startswith("http"):
        bundle = Somewhere(options.bundle, os.environ["KITH_OPERATOR_KEY"], os.environ["KITH_TEST_OPERATOR_KEY"])
    else:
        bundle = Bundle(options.bundle, log)
    try:
        call = command(options, bundle, folder)
        started = time.monotonic()
        # What a tool leaves behind belongs to the other logs.
        status = subprocess.run(call, cwd=folder).returncode
        print(f"{options.kind}: {time.monotonic() - started:.0f} s, exit status {status}")
        if bundle.has_ended():
            print(f"the bundle ended on its own; see {log}")
            status = status or 1
    finally:
        bundle.stop()
    if bundle.faults:
        print(f"the bundle reported {len(bundle.faults)} faults of its own, the first:\n{bundle.faults[0]}\nsee {log}")
        status = status or 1
    return status


if __name__ == "__main__":
    sys.exit(main())
