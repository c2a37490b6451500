"""Calls of Kith's API as a stranger makes them, and what is expected of the answers. It knows no emulator."""

import http.client
import json
import time
import urllib.parse

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
TIMEOUT_SECONDS = 60
PATIENCE_SECONDS = 120


class Unexpected(Exception):
    """Something is not as it should be."""


class Tally:
    """How many expectations were met since somebody looked."""
    met = 0


def equal(actual, expected, what):
    if actual != expected:
        raise Unexpected(f"{what}: {actual!r}, expected {expected!r}")
    Tally.met += 1


def holds(condition, what):
    if not condition:
        raise Unexpected(what)
    Tally.met += 1


def eventually(look, what, seconds=PATIENCE_SECONDS):
    """What `look` gives as soon as it is something. What is under way takes its time, and nobody waits longer than it takes."""
    ends = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > ends:
            raise Unexpected(f"not within {seconds} s: {what}")
        time.sleep(0.2)
    Tally.met += 1
    return found


class Answer:
    def __init__(self, response, text):
        self.status, self.headers, self.text = response.status, response.headers, text

    def json(self):
        return json.loads(self.text)

    def expect(self, status):
        """The JSON of an answer with this status."""
        equal(self.status, status, f"the status of {self.text[:400]}")
        return self.json() if self.text.startswith(("{", "[")) else self.text

    def problem(self, status, code):
        equal(self.expect(status).get("code"), code, "the problem")
        equal(self.headers["content-type"], "application/problem+json", "its media type")


class Api:
    """Kith behind a base URL, wherever it runs."""

    def __init__(self, url, live_key, test_key):
        self.url, self.live_key, self.test_key = url, live_key, test_key

    def call(self, method, path, body=None, key=None, headers=()):
        """One call; redirects are not followed. `body` is sent as it is if it is bytes, else as JSON."""
        at = urllib.parse.urlsplit(self.url)
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        sent = [("user-agent", BROWSER), *headers]
        if key:
            sent.append(("authorization", f"Bearer {key}"))
        if data is not None and not isinstance(body, bytes):
            sent.append(("content-type", "application/json"))
        connection = http.client.HTTPConnection(at.hostname, at.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.putrequest(method, at.path + path, skip_accept_encoding=True)
            for name, value in sent:
                connection.putheader(name, value)
            connection.putheader("content-length", str(len(data or b"")))
            connection.endheaders(data)
            response = connection.getresponse()
            return Answer(response, response.read().decode())
        finally:
            connection.close()

    def program(self, key=None, **changes):
        """A program, of test mode unless the key says otherwise."""
        key = key or self.test_key
        made = self.call("POST", "/v1/programs", {**BAKERY, **changes}, key).expect(201)
        return Program(self, key, made["id"])


class Program:
    """What is done with one program."""

    def __init__(self, api, key, name):
        self.api, self.key, self.id = api, key, name

    def call(self, method, path, body=None, headers=(), key=None):
        return self.api.call(method, f"/v1/programs/{self.id}{path}", body, key or self.key, headers)

    def get(self, path):
        return self.call("GET", path).expect(200)

    def post(self, path, body, status=201):
        return self.call("POST", path, body).expect(status)

    def participant(self, name):
        return self.post("/participants", {
            "external_id": name, "email": f"{name}@example.com", "first_name": name.title(), "consent": {"surveys": True}})

    def click(self, participant):
        """Follows a participant's link; the click token."""
        return click_token(self.api.call("GET", path_of(participant["link"])))

    def order(self, order, **changes):
        """Reports a purchase of 45 EUR by somebody named after it."""
        return self.call("POST", "/conversions", {
            "event": "purchase", "external_id": order, "amount": {"amount": 4500, "currency": "EUR"},
            "referee": {"external_id": f"friend-of-{order}", "email": f"{order}@example.net"}, **changes})

    def rewards(self):
        """Rewards as `incentive state`, in order."""
        return sorted(f"{reward['incentive_id']} {reward['state']}" for reward in self.get("/rewards?limit=100")["data"])

    def balance(self, participant):
        """What a participant has in euros."""
        balances = self.get(f"/participants/{participant['id']}/balance")["balances"]
        return next((balance for balance in balances if balance["unit"] == "EUR"), {})

    def advance(self, seconds):
        """Moves the program's clock, through everything that is due on the way."""
        moved = self.post("/test-clock/advance", {"seconds": seconds}, 200)
        for _ in range(3):
            if moved["settled"]:
                return
            moved = self.post("/test-clock/advance", {"until": moved["until"]}, 200)
        raise Unexpected(f"the clock does not settle: {moved}")


def path_of(url):
    """The path of a link, whatever host it names."""
    return urllib.parse.urlsplit(url).path


def click_token(answer):
    equal(answer.status, 302, f"the status of a link: {answer.text[:400]}")
    query = urllib.parse.urlsplit(answer.headers["location"]).query
    return urllib.parse.parse_qs(query)["kith_click"][0]


BAKERY = {
    "name": "Joe's Artisan Bakery", "destination_url": "https://bakery.example/welcome?shop=1", "hold_days": 0,
    "incentives": [
        {"id": "thank-you", "on": "purchase", "beneficiary": "referrer",
         "reward": {"kind": "cash", "amount": {"amount": 500, "currency": "EUR"}}},
        {"id": "friend-10", "on": "purchase", "beneficiary": "referee", "reward": {"kind": "discount", "basis_points": 1000}},
    ],
    "surveys": [{"id": "after-reward", "on": "reward.issued", "to": "referrer", "delay_hours": 0}],
}
