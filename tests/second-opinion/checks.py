"""What is asked of both. Each check is a function of an emulator; what it expects holds on AWS, so it holds on both or one of
them is wrong. Where ministack is known to be, `differs` says how, and the check fails when that is no longer what fails."""

import base64
import concurrent.futures
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

from calls import BAKERY, Tally, click_token, equal, eventually, holds, path_of
from doors import QUEUES, is_refused

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "shared" / "contract" / "openapi.json"
DAY = 24 * 3600
CHECKS = []


def check(title, differs=None, at=None):
    """Adds a check. Where ministack is known to differ, `differs` says what it does, and `at` which expectation fails."""
    def add(function):
        CHECKS.append((title, function, differs, at))
        return function
    return add


@check("the document is the one of the contract")
def document(emulator):
    api = emulator.api
    equal(api.call("GET", "/healthz").expect(200), {"status": "ok"}, "the health")
    equal(api.call("GET", "/openapi.json").expect(200), json.loads(DOCUMENT.read_text(encoding="utf-8")), "the document")
    head = api.call("HEAD", "/openapi.json")
    equal((head.status, head.text), (200, ""), "HEAD, which has a route of its own")
    api.call("GET", "/v1/nothing").problem(404, "not_found")
    refused = api.call("DELETE", "/v1/programs", key=api.test_key)
    refused.problem(405, "method_not_allowed")
    holds("POST" in refused.headers["allow"], "a 405 names what is allowed")


@check("keys open what they are for, until they are revoked")
def keys(emulator):
    program, other = emulator.api.program(), emulator.api.program()
    made = emulator.api.call("POST", "/v1/keys", {
        "name": "shop", "program_id": program.id, "scopes": ["participants:read"]}, program.key).expect(201)
    read = lambda: program.call("GET", "/participants", key=made["key"])
    read().expect(200)
    program.call("GET", "/rewards", key=made["key"]).problem(403, "missing_scope")
    other.call("GET", "/participants", key=made["key"]).problem(404, "not_found")
    emulator.api.call("DELETE", f"/v1/keys/{made['id']}", key=program.key).expect(204)
    read().problem(401, "unauthenticated")
    emulator.api.call("GET", f"/v1/programs/{program.id}").problem(401, "unauthenticated")
    live = emulator.api.call("GET", f"/v1/programs/{program.id}", key=emulator.api.live_key)
    live.problem(404, "not_found")


@check("the chain of a test program, from the link to the answered survey, by its clock")
def chain_by_the_clock(emulator):
    program = emulator.api.program(hold_days=14, surveys=[
        {"id": "after-reward", "on": "reward.issued", "to": "referrer", "delay_hours": 24}])
    ann = program.participant("ann")
    conversion = program.order("order-1", click_tokens=[program.click(ann)]).expect(201)
    equal(conversion["state"], "qualified", "the conversion")
    equal(conversion["attribution"]["reason"], "click_token", "its attribution")
    equal(conversion["attribution"]["referrer_id"], ann["id"], "who referred")
    equal(program.rewards(), ["friend-10 pending", "thank-you pending"], "rewards")
    program.advance(14 * DAY - 60)
    equal(program.rewards(), ["friend-10 pending", "thank-you pending"], "rewards a minute before the hold ends")
    program.advance(60)
    equal(program.rewards(), ["friend-10 issued", "thank-you issued"], "rewards when it has ended")
    equal(program.balance(ann)["available"], 500, "what Ann has")
    mails = program.get("/test-mails")["data"]
    equal(sorted(mail["to"] for mail in mails), ["ann@example.com", "order-1@example.net"], "who was told")
    program.advance(DAY)
    mail = program.get("/test-mails")["data"][0]
    equal((mail["to"], mail["headers"]["List-Unsubscribe-Post"]), ("ann@example.com", "List-Unsubscribe=One-Click"), "the survey")
    survey, unsubscribe = (re.search(rf"https?://[^/\s]+(/{kind}/[\w-]+)", mail["text"])[1] for kind in "su")
    page = emulator.api.call("GET", f"{survey}?score=9")
    equal((page.status, page.headers["content-type"]), (200, "text/html; charset=utf-8"), "the page of the survey")
    holds("Artisan Bakery" in page.text, "it names the bakery")
    form = ("content-type", "application/x-www-form-urlencoded")
    equal(emulator.api.call("POST", survey, b"score=9&comment=Lovely+bread+%C3%BC", headers=[form]).status, 200, "the answer")
    nps = program.get("/nps")
    equal((nps["promoters"], nps["responses"], nps["score"]), (1, 1, 100), "the net promoter score")
    equal(program.get("/surveys?state=answered")["data"][0]["comment"], "Lovely bread ü", "the comment")
    equal(emulator.api.call("GET", unsubscribe).status, 200, "the page to unsubscribe")
    equal(emulator.api.call("POST", unsubscribe, b"List-Unsubscribe=One-Click", headers=[form]).status, 200, "one click")


class Shop(http.server.ThreadingHTTPServer):
    """A shop's server on this machine, which takes webhooks."""

    def __init__(self):
        self.taken = []
        taken = self.taken

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                taken.append((self.headers, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/kith"

    def types(self):
        return {json.loads(body)["type"] for _, body in list(self.taken)}


def is_signed(headers, body, secret):
    """Whether a webhook is signed as Standard Webhooks has it."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    right = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return f"v1,{right}" in headers["webhook-signature"].split(" ")


@check("the chain of a live program, over stream, queues and mail, to the payout")
def chain_in_real_time(emulator):
    shop = Shop()
    program = emulator.api.program(emulator.api.live_key)
    webhook = program.post("/webhooks", {"url": shop.url, "types": []})
    ann = program.participant("ann-live")
    equal(program.order("live-1", click_tokens=[program.click(ann)]).expect(201)["state"], "qualified", "the conversion")
    eventually(lambda: program.rewards() == ["friend-10 issued", "thank-you issued"], "both rewards are issued")
    to_ann = eventually(
        lambda: [text for to, text in emulator.mails() if to == "ann-live@example.com" and "/s/" in text], "Ann is asked")
    eventually(lambda: [to for to, _ in emulator.mails() if to == "live-1@example.net"], "her friend is told")
    survey = re.search(r"https?://[^/\s]+(/s/[\w-]+)", to_ann[0])[1]
    emulator.api.call("POST", survey, {"score": 3, "comment": "late"}).expect(200)
    equal(program.get("/nps")["detractors"], 1, "the answer counts")
    expected = {"conversion.recorded", "reward.issued", "survey.sent", "survey.answered"}
    eventually(lambda: expected <= shop.types(), "webhooks arrive")
    for headers, body in list(shop.taken):
        holds(is_signed(headers, body, webhook["secret"]), "a webhook is signed")
    ids = [headers["webhook-id"] for headers, _ in list(shop.taken)]

    def states():
        return {delivery["state"] for delivery in program.get(f"/webhooks/{webhook['id']}/deliveries?limit=100")["data"]}

    # The shop has a webhook a moment before it is noted that it does.
    eventually(lambda: states() == {"delivered"}, "each is noted as delivered")
    holds(len(ids) >= len(expected), "each has an id")

    payout = program.post("/payouts", {"currency": "EUR"})
    at = f"/payouts/{payout['id']}"
    eventually(lambda: program.get(at)["state"] == "open", "the payout is built")
    lines = program.get(f"{at}/lines")["data"]
    equal([(line["external_id"], line["amount"]["amount"]) for line in lines], [("ann-live", 500)], "its lines")
    csv = program.call("GET", f"{at}/lines", headers=[("accept", "text/csv")])
    equal(csv.headers["content-type"].split(";")[0], "text/csv", "the lines as a table")
    program.post(f"{at}/lines/{ann['id']}", {"state": "paid", "reference": "bank-1"}, 200)
    equal(program.post(f"{at}/close", {}, 200)["state"], "closed", "the payout")
    eventually(lambda: "thank-you redeemed" in program.rewards(), "the reward follows its line")
    equal(program.balance(ann)["available"], 0, "nothing is owed")
    shop.shutdown()


@check("a refund takes back what was given")
def refund(emulator):
    program = emulator.api.program()
    ann = program.participant("ann")
    conversion = program.order("order-1", codes=[ann["code"]]).expect(201)
    program.advance(60)
    equal(program.balance(ann)["available"], 500, "what Ann has")
    third = {"external_id": "refund-1", "amount": {"amount": 1500, "currency": "EUR"}}
    program.post(f"/conversions/{conversion['id']}/refunds", third)
    equal(program.balance(ann)["available"], 334, "after a third was sent back")
    program.post(f"/conversions/{conversion['id']}/refunds", third, 200)
    program.post(f"/conversions/{conversion['id']}/refunds", {"external_id": "refund-2"})
    equal(program.balance(ann)["available"], 0, "after all of it was")
    too_much = program.call("POST", f"/conversions/{conversion['id']}/refunds", {**third, "external_id": "refund-3"})
    too_much.problem(409, "refund_exceeds_conversion")


@check("links: who counts, HEAD, the cookie that is set, codes that nobody knows")
def links(emulator):
    api, program = emulator.api, emulator.api.program(attribution={"window_days": 7})
    link = path_of(program.participant("ann")["link"])
    first = api.call("GET", f"{link.lower()}?ch=email&utm_source=a%26b&other=1")
    token = click_token(first)
    location = first.headers["location"]
    holds(location.startswith("https://bakery.example/welcome?shop=1&"), f"the destination: {location}")
    holds("utm_source=a%26b" in location and "other" not in location, f"what is passed on: {location}")
    cookie = f"kith_click={token}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=604800"
    equal(first.headers["set-cookie"], cookie, "the cookie")
    for what, headers in {"a prefetch": [("sec-purpose", "prefetch")], "a visitor who objects": [("sec-gpc", "1")]}.items():
        plain = api.call("GET", link, headers=headers)
        equal((plain.status, plain.headers["set-cookie"], "kith_click" in plain.headers["location"]), (302, None, False), what)
    head = api.call("HEAD", link)
    equal((head.status, head.text, head.headers["set-cookie"]), (302, "", None), "HEAD")
    page = api.call("GET", "/r/NOBODY-KNOWS")
    equal((page.status, page.headers["content-type"]), (404, "text/html; charset=utf-8"), "an unknown code, for a browser")
    api.call("GET", "/r/NOBODY-KNOWS", headers=[("accept", "application/json")]).problem(404, "not_found")
    svg = api.call("GET", f"{link}/qr.svg")
    equal((svg.status, svg.headers["content-type"]), (200, "image/svg+xml"), "the QR code")


@check("the first touch comes back in the cookie", differs="leaves `cookies` out of the event of a request", at="who referred")
def cookies(emulator):
    program = emulator.api.program(attribution={"model": "first_click"})
    ann, bob = program.participant("ann"), program.participant("bob")
    cookie = ("cookie", f"a=b; kith_click={program.click(ann)}; c=d")
    latest = emulator.api.call("GET", path_of(bob["link"]), headers=[cookie])
    conversion = program.order("order-1", click_tokens=[click_token(latest)]).expect(201)
    equal(conversion["attribution"]["referrer_id"], ann["id"], "who referred")


@check("a page of another origin may record clicks",
       differs="answers preflights itself, whatever routes there are", at="the status of a preflight")
def preflight(emulator):
    program = emulator.api.program()
    answer = emulator.api.call("OPTIONS", f"/v1/programs/{program.id}/clicks", headers=[
        ("origin", "https://bakery.example"), ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type")])
    equal(answer.status, 204, "the status of a preflight")
    equal(answer.headers["access-control-allow-origin"], "*", "who may")
    holds("authorization" in answer.headers["access-control-allow-headers"].lower(), "what may be sent")


@check("twins at the same instant have one effect")
def twins(emulator):
    program = emulator.api.program()
    ann = program.participant("ann")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: program.order("order-1", codes=[ann["code"]]), range(8)))
    equal(sorted(answer.status for answer in answers), [200] * 7 + [201], "one is recorded, the others are told of it")
    equal(len({answer.json()["id"] for answer in answers}), 1, "conversions")
    program.advance(60)
    equal(program.rewards(), ["friend-10 issued", "thank-you issued"], "one set of rewards")
    key = [("idempotency-key", "once")]
    join = {"external_id": "bob", "email": "bob@example.com"}
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: program.call("POST", "/participants", join, key), range(4)))
    equal({answer.status for answer in answers}, {201}, "twins under one idempotency key")
    equal(program.call("POST", "/participants", join, key).headers["idempotent-replayed"], "true", "a repetition")
    program.call("POST", "/participants", {**join, "external_id": "eva"}, key).problem(422, "idempotency_key_reused")


@check("a limit holds however many come at once")
def limit(emulator):
    thank_you = {**BAKERY["incentives"][0], "limits": {"per_referrer": 3}}
    program = emulator.api.program(incentives=[thank_you])
    ann = program.participant("ann")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: program.order(f"order-{n}", codes=[ann["code"]]), range(8)))
    again = [n for n, answer in enumerate(answers) if answer.status in (409, 503)]
    answers += [program.order(f"order-{n}", codes=[ann["code"]]) for n in again]
    equal(sum(answer.status == 201 for answer in answers), 8, "orders")
    equal(len(program.get("/rewards?limit=100")["data"]), 3, "rewards")


@check("lists come in pages, and the gateway keeps what is encoded")
def lists(emulator):
    program = emulator.api.program()
    names = {f"customer {n}/ü+%25" for n in range(5)}
    for name in sorted(names):
        program.post("/participants", {"external_id": name})
    found, path = [], "/participants?limit=2"
    while path:
        page = program.get(path)
        found += [person["external_id"] for person in page["data"]]
        path = page["next_cursor"] and f"/participants?limit=2&cursor={page['next_cursor']}"
    equal((sorted(found), len(found)), (sorted(names), 5), "the pages together")
    program.call("GET", "/participants?limit=2&limit=3").problem(422, "invalid_request")
    program.call("GET", "/participants?limti=2").problem(422, "invalid_request")
    program.call("GET", "/participants/par_%2E%2E%2Fx").problem(404, "not_found")
    csv = program.call("GET", "/participants", headers=[("accept", "text/csv")])
    equal((csv.status, len(csv.text.splitlines())), (200, 6), "the list as a table")


@check("bodies: too large, unreadable, not text")
def bodies(emulator):
    program = emulator.api.program()
    json_type = [("content-type", "application/json")]
    post = lambda body, headers=json_type: program.call("POST", "/participants", body, headers)
    post(b'{"external_id": ').problem(400, "unreadable_body")
    post(b'{"external_id": "ann"}', [("content-type", "text/plain")]).problem(415, "unsupported_media_type")
    post(b" " * (256 * 1024 + 1)).problem(413, "body_too_large")
    lines = b"\n".join(json.dumps({"external_id": f"person-{n}"}).encode() for n in range(50))
    bulk = program.call("POST", "/participants/bulk", lines, [("content-type", "application/x-ndjson")])
    equal((bulk.status, len(bulk.text.splitlines())), (200, 50), "many in one call")


@check("the Postman collection passes")
def collection(emulator):
    if not emulator.newman:
        return
    report = emulator.out / f"newman-{emulator.name.replace(' ', '-')}.json"
    script = pathlib.Path(__file__).resolve().parents[1] / "contract" / "run.py"
    environment = {**os.environ, "KITH_OPERATOR_KEY": emulator.api.live_key, "KITH_TEST_OPERATOR_KEY": emulator.api.test_key}
    subprocess.run(
        [sys.executable, script, "--out", emulator.out, emulator.api.url, "newman", emulator.newman,
         "--reporters", "json", "--reporter-json-export", report],
        env=environment, stdout=subprocess.DEVNULL)
    run = json.loads(report.read_text(encoding="utf-8"))["run"]
    failed = {failure["source"]["name"] for failure in run["failures"]}
    equal(failed, set(emulator.not_collected), "requests of the collection that fail")
    assertions = run["stats"]["assertions"]
    holds(run["stats"]["requests"]["total"] > 100 and assertions["total"] > 200, "there are many")
    Tally.met += assertions["total"] - assertions["failed"]


@check("the schedule wakes due-work within a minute")
def schedule(emulator):
    eventually(lambda: emulator.has_run("due-work"), "due-work was called", seconds=75)
    operations = emulator.api.call("GET", "/v1/operations", key=emulator.api.live_key).expect(200)
    equal(operations["parked"], [], "nothing was given up")


@check("poison ends in the dead letters of its queue, and its neighbours are worked")
def poison(emulator):
    emulator.hurry()
    shop = Shop()
    program = emulator.api.program(emulator.api.live_key)
    program.post("/webhooks", {"url": shop.url, "types": ["reward.issued"]})
    ann = program.participant("ann-poison")
    bad = {name: f"{name}: no message of Kith's" for name in QUEUES}
    for name, body in bad.items():
        emulator.doors.send(f"{name}Queue", body)
    for n in range(3):
        program.order(f"poison-{n}", codes=[ann["code"]]).expect(201)
    eventually(lambda: program.rewards() == ["friend-10 issued"] * 3 + ["thank-you issued"] * 3, "rewards are issued")
    asked = lambda: any(to == "ann-poison@example.com" and "/s/" in text for to, text in emulator.mails())
    eventually(asked, "Ann is asked")
    eventually(lambda: len(shop.taken) >= 6, "the shop is told")

    def dead():
        emulator.hurry()
        return {name: emulator.doors.bodies(f"{name}DeadLetters") for name in QUEUES} == {
            name: [body] for name, body in bad.items()}
    eventually(dead, "each message is with the dead letters, and nothing else", seconds=240)
    shop.shutdown()


@check("a record that event-relay cannot read is noted, and its neighbours are relayed",
       differs="takes a partial failure for success and asks again without end after a whole one, so nothing is noted",
       at="it is noted")
def stream(emulator):
    program = emulator.api.program(emulator.api.live_key, surveys=[])
    ann = program.participant("ann-stream")
    # It passes the filter of the mapping, and is no event.
    emulator.doors.put(pk="POISON", sk="EVENT", kind="event", wakes="nobody")
    program.order("stream-1", codes=[ann["code"]]).expect(201)
    eventually(lambda: program.rewards() == ["friend-10 issued", "thank-you issued"], "its neighbours are relayed")
    noted = eventually(lambda: emulator.doors.bodies("StreamDeadLetters"), "it is noted", seconds=30)
    note = json.loads(noted[0])
    equal((len(noted), note["requestContext"]["condition"], note["DDBStreamBatchInfo"]["batchSize"]),
          (1, "RetryAttemptsExhausted", 1), "the note")


@check("a function may do what its role says, and nothing else")
def roles(emulator):
    relay = emulator.under_role("event-relay")
    holds(is_refused(lambda: relay.put(pk="A", sk="B")), "event-relay may not write into the table")
    holds(is_refused(lambda: relay.bodies("RewardsQueue")), "nor read the queues that it fills")
    holds(not is_refused(lambda: relay.send("StreamDeadLetters", "a note")), "it may send to its own dead letters")
    capture = emulator.under_role("link-capture")
    holds(is_refused(lambda: capture.send("RewardsQueue", "a message")), "link-capture may not send messages")
    holds(not is_refused(lambda: capture.put(pk="A", sk="B")), "it may write into the table")


@check("no function panicked")
def panics(emulator):
    equal(emulator.panics(), [], "panics")
