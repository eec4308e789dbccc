"""What is ours in a run of schemathesis: a check, and projects with which the steps of their life can be taken.

The check: a refusal of a well-formed request names a rule that no schema can state.
What: schemathesis calls this for every answer. Where a request follows the published schema and is refused all the same,
its `positive_data_acceptance` accepts the statuses in `schemathesis.toml`; this check then asks why it was refused, and
lets only the reasons below pass. So a bound that the schema could have told stays a finding.
"""

import os
import re
from typing import Any
from uuid import uuid4

import httpx2
import schemathesis
from schemathesis.generation import GenerationMode
from schemathesis.generation.meta import TestPhase

from tests.contracts.world import project

HEADERS = {
    "If-Match": re.compile(r'"[0-9]+(;[0-9a-f]{16})?"'),
    "If-None-Match": re.compile(r"\*"),
    "Last-Event-ID": re.compile("[1-9][0-9]{0,9}-[1-9][0-9]{0,17}"),
}
"""Headers with a pattern; a wrong one breaks the rule `entity-tag` or `string-pattern-mismatch`."""
STATE = frozenset(
    {
        "precondition-required",  # needs the ETag of what is there now
        "stale-revision",  # as above, with another ETag
        "invalid-cursor",  # only what a former page named is a cursor
        "idempotency-mismatch",  # the key was used with another body
        "project-erased",  # the id is not given out again
        "organisation-erased",
        "invalid-client",  # nobody guesses a client's secret
        "invalid-token-request",  # the bearer token of the caller beside the secret in the form
    }
)
"""Codes of problems that hang on what is stored."""

RULES = frozenset(
    {
        # published code lists, which change with the reference data
        "country-code",
        "region-code",
        "office-code",
        "study-group-code",
        "tag-scheme",
        "tag-version",
        "tag-code",
        "language-tag",
        "currency",
        "unknown-here",
        # what other records say
        "flagship-known",
        "parent-unknown",
        "parent-cycle",
        "parent-self",
        "parent-depth",
        "person-unknown",
        "person-elsewhere",
        # what words say
        "text-language",
        "text-stop-words-only",
        "text-without-words",
        "no-nul",
        "no-lone-surrogates",
        "no-bidi-controls",
        "no-control-characters",
        "utf-8",
        "reason-too-long",  # counted in characters, of which the header percent-encodes some
        "url",
        "email",
        # one field against another, or against the day
        "one-per-language",
        "no-repeats",
        "need-id",
        "evidence-id",
        "period-order",
        "deadline-past",
        "deadline-before-period",
        "deadline-after-period",
        "period-past",
        "review-by-past",
        "ends-on-past",
        "first-involved-in-future",
        "term-order",
        "term-overlap",
        "date",
        "presence-needs-reason",
        "regional-needs-region",
        "national-needs-country",
        "study-group-of-associates",
        "role-needs-organisation",
        "role-needs-office",
        "constant-field",
        "channel-target",
        "channel-cadence",
        "channel-quiet-hours",
        "channel-cap",
        "quiet-hours",
        "endpoint-known",
        "address-suppressed",
        "address-asked-enough",
        "time-zone",
        # where webhooks may go, which the settings say
        "webhook-url",
        "webhook-url-shortened",
        "webhook-https",
        "webhook-userinfo",
        "webhook-fragment",
        "webhook-port",
        "webhook-own-host",
        "webhook-address",
        # parameters that go together, or with who asks
        "not-with-excluded",
        "with-external-id",
        "speaks-for-none",
        "unknown-parameter",  # of a file of an export that has nothing to choose by it
        # what a project that is published must keep
        "title-required",
        "level-required",
        "need-required",
        "deadline-or-review",
        "presence-needs-place",
        # documents of a form of their own
        "epoch",
        # numbers in a document of any form
        "number-range",
    }
)
"""Rules that errors may name; each is about more than one value by itself."""


@schemathesis.check
def refusal_names_a_rule_beyond_the_schema(
    context: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> bool | None:
    """Fail if a request that follows the schema is refused for a reason that the schema could have told."""
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return None
    if response.status_code not in {400, 412, 413, 422, 428}:
        return None
    problem = response.json()
    errors = problem.get("errors", ())
    rules = {error["rule"] for error in errors}
    if rules and rules <= {"entity-tag", "string-pattern-mismatch"}:
        name = errors[0].get("header")
        sent = (case.headers or {}).get(name)
        if name in HEADERS and sent is not None and not HEADERS[name].fullmatch(str(sent)):
            return None  # schemathesis counts a bare number as a text that follows the header's pattern
    if problem["code"] in STATE or (rules and rules <= RULES):
        return None
    raise AssertionError(f"{response.status_code} {problem['code']}: {problem['detail']} ({sorted(rules)})")


STEPS = {
    "/v1/projects/{project_id}/publish": (),
    "/v1/projects/{project_id}/close": ("publish",),
    "/v1/projects/{project_id}/withdraw": (),
}
"""The steps of a project's life, with what a draft needs first."""


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Give each step a project of its own and its ETag, where the caller may make one.

    The id that is drawn is nobody's, or the example's, which must stay open; and no drawn ETag is the right one.
    """
    meta, path = case.meta, case.operation.path
    if meta is None or path not in STEPS or meta.phase.name is TestPhase.STATEFUL:
        return
    if meta.generation.mode is not GenerationMode.POSITIVE:
        return
    identifier = str(uuid4())
    address = f"{case.operation.base_url.rstrip('/')}/v1/projects/{identifier}"
    caller = {"Authorization": os.environ.get("COMITY_TEST_AUTHORIZATION", "")}
    with httpx2.Client(headers=caller, trust_env=False) as client:
        answer = client.put(address, json=project())
        for step in STEPS[path]:
            if answer.is_success:
                answer = client.post(f"{address}/{step}", headers={"If-Match": answer.headers["ETag"]})
    if answer.is_success:
        case.path_parameters["project_id"] = identifier
        case.headers["If-Match"] = answer.headers["ETag"]
