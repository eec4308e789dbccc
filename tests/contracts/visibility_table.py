"""The table of visibility: for every operation, who gets a 2xx, and how each caller asks for what is meant for it.

Written by hand from the rules of visibility, apart from the code that it is held against (`test_visibility`).
"""

from typing import Any
from uuid import uuid4

from tests.contracts.visibility_feeds import FEEDS
from tests.contracts.visibility_notifications import NOTIFICATIONS
from tests.contracts.visibility_rows import (
    A_WRITERS,
    ADMIN,
    AUDITOR,
    BDT,
    EDITORS,
    EVERYBODY,
    INSIDERS,
    MANAGERS,
    OFFICES,
    PUBLIC,
    REASON,
    TEAM,
    WHOLE_LIST,
    A,
    B,
    Get,
    Row,
    Send,
    dead_letters,
    write,
)
from tests.contracts.world import World, profile, project

SOMEBODY = "018f3c2a-7d10-7000-8000-00000000050b"
"""Whom a caller adds to a team, or takes out of it."""


def on_project(method: str, path: str, *, state: str = "draft", **sent: Any) -> Send:
    """Send a write to a project that this caller finds fresh, in this state, with the manager in its team."""

    def send(world: World, caller: str) -> Any:
        identifier, etag = world.new_project(caller="manager", office="addis_ababa")
        if state == "published":
            path_to = f"/v1/projects/{identifier}/publish"
            etag = world.made("POST", path_to, headers={"If-Match": etag}).headers["ETag"]
        if path.endswith("/team/{principal}") and method == "DELETE":
            where = f"/v1/projects/{identifier}/team/{SOMEBODY}"
            etag = world.made("PUT", where, headers={"If-Match": etag}).headers["ETag"]
        where = path.format(id=identifier, principal=SOMEBODY)
        return world.ask(caller, method, where, headers={"If-Match": etag}, **sent)

    return send


def on_organisation(method: str, path: str, **sent: Any) -> Send:
    """Send a write to organisation A as it stands now; erasure is asked of a new one that A's people speak for."""

    def send(world: World, caller: str) -> Any:
        where = path.format(id=world.ids["a"])
        now = world.ask("admin", "GET", f"/v1/organisations/{world.ids['a']}")
        body = {key: value for key, value in now.json().items() if key in profile() or key == "expertise"}
        return world.ask(
            caller,
            method,
            where,
            headers={"If-Match": now.headers["ETag"]},
            **({"json": body | {"aliases": [f"Alias {uuid4().hex[:8]}"]}} if method == "PUT" else sent),
        )

    return send


def ask_reasons(project: str) -> Send:
    """Ask why organisation A stands on this project's list."""
    return lambda world, caller: world.ask(
        caller,
        "POST",
        f"/v1/lists/{world.ids[project]}/reasons",
        json={"organisations": [world.ids["a"]]},
    )


def on_client(method: str, path: str, *, noun: str = "clients", **sent: Any) -> Send:
    """Send a write to a fresh client, or person, of organisation A."""

    def send(world: World, caller: str) -> Any:
        body = {"name": "A fresh one", "roles": ["organisation_reader"], "organisation": world.ids["a"]}
        if noun == "people":
            body["email"] = f"{uuid4().hex[:12]}@body.example"
        identifier = str(uuid4())
        made = world.made("PUT", f"/v1/{noun}/{identifier}", json=body)
        secret = made.json()["secrets"][0]["id"] if noun == "clients" else ""
        headers = {"If-Match": made.headers["ETag"]}
        given = {"json": body | {"name": "Another name"}} if method == "PUT" else sent
        return world.ask(caller, method, path.format(id=identifier, secret=secret), headers=headers, **given)

    return send


def of_organisation_a(body: dict[str, Any]) -> Send:
    def send(world: World, caller: str) -> Any:
        return world.ask(caller, "POST", "/v1/clients", json=body | {"organisation": world.ids["a"]})

    return send


def token(world: World, caller: str) -> Any:
    client = "first" if caller == "public" else caller
    form = {"client_id": world.clients[client], "client_secret": world.secrets[client]}
    # The secret says who asks; a bearer token has no place here.
    return world.ask("public", "POST", "/v1/tokens", data=form | {"grant_type": "client_credentials"})


def same_epoch(world: World, caller: str) -> Any:
    body = world.ask("admin", "GET", "/v1/epochs/0/body").content
    return world.ask(caller, "POST", "/v1/epochs", content=body, headers={"Content-Type": "application/json"})


READER = {"name": "A reader", "roles": ["organisation_reader"]}
LONG_AGO = {"day": "2020-01-01"}

OUTSIDE_A_DRAFT = EVERYBODY - INSIDERS - PUBLIC

TABLE: dict[str, tuple[Row, ...]] = {
    "get_liveness": (Row(send=Get("/healthz"), allowed=EVERYBODY),),
    "get_readiness": (Row(send=Get("/readyz"), allowed=EVERYBODY),),
    "get_progress": (Row(send=Get("/progress"), allowed=EVERYBODY),),
    # identity
    "create_token": (Row(send=token, allowed=EVERYBODY),),
    "get_keys": (Row(send=Get("/v1/jwks"), allowed=EVERYBODY),),
    "list_clients": (Row(send=Get("/v1/clients"), allowed=ADMIN | AUDITOR | {"owner_a", "owner_b"}),),
    "get_client": (
        Row(
            send=Get("/v1/clients/{client}"),
            allowed=ADMIN | AUDITOR | {"owner_a"},
            unseen=frozenset({"owner_b"}),
        ),
    ),
    "create_client": (Row(send=of_organisation_a(READER), allowed=ADMIN | {"owner_a"}, status=201),),
    "put_client": (Row(send=on_client("PUT", "/v1/clients/{id}"), allowed=ADMIN | {"owner_a"}),),
    "revoke_client": (
        Row(send=on_client("DELETE", "/v1/clients/{id}"), allowed=ADMIN | {"owner_a"}, status=204),
    ),
    "create_secret": (
        Row(send=on_client("POST", "/v1/clients/{id}/secrets"), allowed=ADMIN | {"owner_a"}, status=201),
    ),
    "delete_secret": (
        Row(
            send=on_client("DELETE", "/v1/clients/{id}/secrets/{secret}"),
            allowed=ADMIN | {"owner_a"},
            status=204,
        ),
    ),
    "list_people": (Row(send=Get("/v1/people"), allowed=ADMIN | AUDITOR | {"owner_a", "owner_b"}),),
    "get_person": (
        Row(
            send=Get("/v1/people/{person}"),
            allowed=ADMIN | AUDITOR | {"owner_a"},
            unseen=frozenset({"owner_b"}),
        ),
    ),
    "put_person": (
        Row(send=on_client("PUT", "/v1/people/{id}", noun="people"), allowed=ADMIN | {"owner_a"}),
    ),
    "remove_person": (
        Row(
            send=on_client("DELETE", "/v1/people/{id}", noun="people"),
            allowed=ADMIN | {"owner_a"},
            status=204,
        ),
    ),
    "list_audit_identity": (Row(send=Get("/v1/audit/identity"), allowed=ADMIN | AUDITOR),),
    # projects
    "list_projects": (Row(send=Get("/v1/projects"), allowed=EVERYBODY),),
    "get_project": (
        Row(send=Get("/v1/projects/{open}"), allowed=EVERYBODY),
        Row(send=Get("/v1/projects/{draft}"), allowed=INSIDERS, others=404, nobody=404),
        Row(send=Get("/v1/projects/{closed}"), allowed=INSIDERS, others=404, nobody=404),
    ),
    "put_project": (
        Row(send=write("PUT", "/v1/projects/{new}", json=project()), allowed=MANAGERS | EDITORS, status=201),
        Row(
            send=on_project("PUT", "/v1/projects/{id}", json=project(office="addis_ababa")),
            allowed=TEAM | EDITORS,
            taken=MANAGERS - TEAM,
        ),
    ),
    "erase_project": (Row(send=on_project("DELETE", "/v1/projects/{id}"), allowed=ADMIN, status=204),),
    "list_project_revisions": (
        Row(send=Get("/v1/projects/{open}/revisions"), allowed=EVERYBODY),
        Row(send=Get("/v1/projects/{draft}/revisions"), allowed=INSIDERS, others=404, nobody=404),
    ),
    "get_project_revision": (
        Row(send=Get("/v1/projects/{open}/revisions/2"), allowed=EVERYBODY),
        Row(send=Get("/v1/projects/{open}/revisions/1"), allowed=INSIDERS, others=404, nobody=404),
        Row(send=Get("/v1/projects/{draft}/revisions/1"), allowed=INSIDERS, others=404, nobody=404),
    ),
    "publish_project": (
        Row(
            send=on_project("POST", "/v1/projects/{id}/publish"),
            allowed=TEAM | EDITORS,
            unseen=OUTSIDE_A_DRAFT,
        ),
    ),
    "close_project": (
        Row(
            send=on_project("POST", "/v1/projects/{id}/close", state="published", json=REASON),
            allowed=TEAM | EDITORS,
        ),
    ),
    "withdraw_project": (
        Row(
            send=on_project("POST", "/v1/projects/{id}/withdraw", json=REASON),
            allowed=TEAM | EDITORS,
            unseen=OUTSIDE_A_DRAFT,
        ),
    ),
    "add_team_member": (
        Row(
            send=on_project("PUT", "/v1/projects/{id}/team/{principal}"),
            allowed=TEAM | EDITORS,
            unseen=OUTSIDE_A_DRAFT,
        ),
    ),
    "remove_team_member": (
        Row(
            send=on_project("DELETE", "/v1/projects/{id}/team/{principal}"),
            allowed=TEAM | EDITORS,
            unseen=OUTSIDE_A_DRAFT,
        ),
    ),
    "list_flagships": (Row(send=Get("/v1/flagships"), allowed=EVERYBODY),),
    "put_flagship": (
        Row(
            send=write(
                "PUT",
                "/v1/flagships/{new}",
                json={
                    "titles": [{"language": "en", "text": "A test flagship"}],
                    "level": "global",
                    "reason": {"language": "en", "text": "Declared to be tested."},
                },
            ),
            allowed=EDITORS,
            status=201,
        ),
    ),
    "get_flagship": (Row(send=Get("/v1/flagships/{flagship}"), allowed=EVERYBODY),),
    "list_flagship_revisions": (Row(send=Get("/v1/flagships/{flagship}/revisions"), allowed=EVERYBODY),),
    **dead_letters("projects"),
    "list_audit_projects": (Row(send=Get("/v1/audit/projects"), allowed=ADMIN | AUDITOR),),
    # members
    "list_organisations": (
        Row(send=Get("/v1/organisations"), allowed=EVERYBODY),
        Row(send=Get("/v1/organisations?sme=true"), allowed=MANAGERS | OFFICES | BDT | AUDITOR),
    ),
    "get_organisation": (Row(send=Get("/v1/organisations/{a}"), allowed=EVERYBODY),),
    "check_study_group_role": (
        Row(
            send=Get("/v1/organisations/{a}/study-group-role?study_group=SG1&role=attend"),
            allowed=A | MANAGERS | OFFICES | BDT | AUDITOR,
        ),
    ),
    "list_organisation_revisions": (
        Row(send=Get("/v1/organisations/{a}/revisions"), allowed=A | MANAGERS | OFFICES | BDT | AUDITOR),
    ),
    "get_organisation_revision": (
        Row(send=Get("/v1/organisations/{a}/revisions/1"), allowed=A | MANAGERS | OFFICES | BDT | AUDITOR),
    ),
    "put_organisation": (
        Row(send=on_organisation("PUT", "/v1/organisations/{id}"), allowed=A_WRITERS | EDITORS),
        Row(
            send=lambda world, caller: world.ask(
                caller, "PUT", f"/v1/organisations/{uuid4()}", json=profile()
            ),
            allowed=EDITORS,
            status=201,
        ),
    ),
    # These two would take organisation A away, so its own people's right is shown with a stale ETag: 412, not 403.
    "withdraw_organisation": (
        Row(
            send=lambda world, caller: world.ask(
                caller,
                "POST",
                f"/v1/organisations/{world.ids['a']}/withdraw",
                headers={"If-Match": '"9999"'},
                json=REASON,
            ),
            allowed=A_WRITERS | EDITORS,
            status=412,
        ),
    ),
    "erase_organisation": (
        Row(
            send=lambda world, caller: world.ask(
                caller, "DELETE", f"/v1/organisations/{world.ids['a']}", headers={"If-Match": '"9999"'}
            ),
            allowed=ADMIN | {"owner_a"},
            status=412,
        ),
    ),
    "list_audit_members": (Row(send=Get("/v1/audit/members"), allowed=ADMIN | AUDITOR),),
    # matches
    "list_candidates": (
        Row(send=Get("/v1/lists/{open}/candidates"), allowed=WHOLE_LIST | A | B),
        Row(send=Get("/v1/lists/{presence}/candidates?eligibility=excluded"), allowed=WHOLE_LIST | A | B),
        Row(send=Get("/v1/lists/{closed}/candidates"), allowed=WHOLE_LIST | A | B),
        Row(send=Get("/v1/lists/{draft}/candidates"), allowed=frozenset(), others=404),
        Row(send=Get("/v1/lists/{withdrawn}/candidates"), allowed=WHOLE_LIST, others=404),
    ),
    "get_candidate": (
        Row(send=Get("/v1/lists/{open}/candidates/{a}"), allowed=WHOLE_LIST | A),
        Row(send=Get("/v1/lists/{closed}/candidates/{a}"), allowed=WHOLE_LIST | A),
        Row(send=Get("/v1/lists/{withdrawn}/candidates/{a}"), allowed=WHOLE_LIST, others=404),
    ),
    "ask_reasons": (
        Row(send=ask_reasons("open"), allowed=WHOLE_LIST),
        Row(send=ask_reasons("closed"), allowed=WHOLE_LIST),
        Row(send=ask_reasons("draft"), allowed=frozenset(), others=404),
        Row(send=ask_reasons("withdrawn"), allowed=WHOLE_LIST, others=404),
    ),
    "get_coverage": (Row(send=Get("/v1/lists/{open}/coverage"), allowed=WHOLE_LIST),),
    "list_list_versions": (Row(send=Get("/v1/lists/{open}/versions"), allowed=WHOLE_LIST),),
    "get_list_version": (Row(send=Get("/v1/lists/{open}/versions/1"), allowed=WHOLE_LIST),),
    "list_opportunities": (
        Row(send=Get("/v1/opportunities?organisation={a}"), allowed=A | OFFICES | BDT | AUDITOR),
    ),
    "get_exposure": (Row(send=Get("/v1/exposure"), allowed=EVERYBODY),),
    "get_organisation_exposure": (
        Row(send=Get("/v1/exposure/organisations/{a}"), allowed=A | OFFICES | BDT | AUDITOR),
    ),
    "get_ranking_statement": (Row(send=Get("/v1/ranking-statement"), allowed=EVERYBODY),),
    "get_ranking_progress": (
        Row(send=Get("/v1/ranking-progress"), allowed=MANAGERS | OFFICES | BDT | AUDITOR),
    ),
    "ask_ranking_progress": (
        Row(
            send=write("POST", "/v1/ranking-progress", json={"tokens": []}),
            allowed=MANAGERS | OFFICES | BDT | AUDITOR,
        ),
    ),
    "list_epochs": (Row(send=Get("/v1/epochs"), allowed=EVERYBODY),),
    "get_epoch": (Row(send=Get("/v1/epochs/0"), allowed=EVERYBODY),),
    "get_epoch_body": (Row(send=Get("/v1/epochs/0/body"), allowed=BDT | AUDITOR),),
    # An epoch that stands already and a day that has passed: whoever may publish one learns that (409).
    "publish_epoch": (Row(send=same_epoch, allowed=ADMIN, status=409),),
    "open_day": (Row(send=write("POST", "/v1/days", json=LONG_AGO), allowed=ADMIN, status=409),),
    **dead_letters("matches"),
    **FEEDS,
    **NOTIFICATIONS,
}
QUESTIONS = frozenset(
    {"create_token", "ask_ranking_progress", "ask_reasons", "preview_subscription", "follow_mail_link"}
)
"""POSTs that change nothing of anybody's, or that whoever holds the link may send."""
