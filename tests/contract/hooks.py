"""What schemathesis cannot know by itself: an idempotency key is used once, and some rules are more than a schema can say."""

import itertools
import json
import re

import schemathesis

ENCODED_ANOTHER_PATH = re.compile("%2f|%3f", re.IGNORECASE)
IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")
counter = itertools.count(1)

# Why a call whose every member fits its schema may still be unacceptable (422): rules between members, times that are
# measured from now, and values that only the bundle itself can have made. A refusal is as it should be if every one of its
# faults is among these.
BEYOND_SCHEMAS = [
    # Between members.
    r"must be after starts_at",
    r"must be later than from",
    r"must not be before `from`",
    r"must be another currency",
    r"must be the currency of the payout",
    r"must be in the conversion's currency",
    r"must be greater than that of the tier before",
    r"must not be less than from",
    r"stands there already",
    r"needs either \w+ or \w+",
    r"is required: a budget counts \w+ rewards by it",
    r"must not be less than minimum_amount",
    r"must be referee: before paying only the friend can be given something",
    r"must be discount or free_product: nothing else can be given at checkout",
    r"is required: the visitor's browser sends Sec-GPC",
    r"is false: without consent there is no click token",
    # From now.
    r"must lie ahead",
    r"must not be more than 90 days ago",
    r"must not be more than 5 minutes ahead",
    r"has passed on the program's clock",
    # Made by the bundle.
    r"is not a cursor of this list",
    r"is not a click token of this program",
    r"is not a code of this program",
    r"is disabled",
    r"the conversion has no amount, so it can only be refunded whole",
    r"is older than the attribution window, or its code does not work any more",
    r"there is no such participant",
    r"there is no such program",
    r"there is no such webhook",
    # Of a host, which chance makes up: whether it is one of the internet's, and leads anywhere.
    r"its host (?:is not found|was not found in time|leads to an address that is private)",
    r"must name a host on the internet",
    r"must be a whole URL such as",
    r"must name its host in full",
    # Of bytes, where a schema counts characters.
    r"must be at most \d+ bytes",
    # Of the pieces of a host or an address, which have bounds of their own.
    r"the part after the `@` must be a full domain name",
    r"the part before the `@` must be 1 to 64",
    r"must be a host name such as",
]
EXPECTED = re.compile("|".join(f"(?:{rule})" for rule in BEYOND_SCHEMAS))
# Refusals that depend on what is there, besides those that schemathesis takes for such: by status, their codes.
STATE = {
    # Another version than the present one.
    412: {"version_conflict"},
    # There is more to count than one call counts, and the next one goes on.
    503: {"still_counting"},
}


def plain(value):
    """JSON Schema takes `300.0` for an integer. Here numbers are sent in plain digits, so that none is ever rounded."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    return value


@schemathesis.hook
def before_call(context, case, kwargs):
    """A key of its own for each call. Keys that are none stay, since they have to be refused."""
    for name in list(case.headers or {}):
        if name.lower() == "idempotency-key" and IDEMPOTENCY_KEY.fullmatch(str(case.headers[name])):
            case.headers[name] = f"{case.headers[name][:240]}{next(counter)}"
    body = plain(case.body)
    # A number equals its plain form, and setting a body marks the case as one of somebody's own.
    if repr(body) != repr(case.body):
        case.body = body


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    """Lines are sent as they are."""
    return {"data": value.encode("utf-8", errors="replace") if isinstance(value, str) else json.dumps(value).encode()}


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether a failure is one."""
    if ENCODED_ANOTHER_PATH.search(response.request.url):
        # The gateway decodes a path before it looks for the route.
        return False
    if failure.code == "ST201" and case.media_type == "application/x-ndjson":
        # Whatever is sent is text, and text is answered line by line.
        return False
    if failure.code == "ST201" and "dictionary" in failure.message:
        # A word of the dictionaries that fits one choice of a schema, held against another choice.
        return False
    if failure.code == "ST302" and response.json()["detail"] == "There is no such voucher.":
        # The program that was made is there; the voucher of the body was never made.
        return False
    if failure.code == "ST202" and not response.request.headers.get("If-Match", "*").strip():
        # An empty header fits no pattern, and is sent as if it did.
        return False
    if failure.code not in ("ST101", "ST202"):
        return True
    problem = response.json()
    if problem.get("code") in STATE.get(response.status_code, ()):
        return False
    details = [fault["detail"] for fault in problem.get("errors", [])]
    return response.status_code != 422 or not details or not all(EXPECTED.search(detail) for detail in details)
