"""The part of the table of visibility about notifications: an organisation's own, its helper's and the auditor's; nobody
else may even know."""

from typing import Any
from uuid import uuid4

from tests.contracts.visibility_rows import (
    A_WRITERS,
    ADMIN,
    AUDITOR,
    EVERYBODY,
    LISTENERS,
    NOT_LISTENING,
    Get,
    Row,
    Send,
    dead_letters,
    write,
)
from tests.contracts.world import World

HOOK = {"url": "http://127.0.0.1:9/hook"}


def on_endpoint(method: str, path: str, *, paused: bool = True, **sent: Any) -> Send:
    """Send a write to a fresh endpoint of organisation A; paused, so that none is ever active."""

    def send(world: World, caller: str) -> Any:
        for old in world.get("admin", f"/v1/endpoints?organisation={world.ids['a']}")["items"]:
            if old["id"] != world.ids["endpoint"]:
                where = f"/v1/endpoints/{old['id']}"
                world.made("DELETE", where, headers={"If-Match": f'"{old["revision"]}"'})
        made = world.made("POST", "/v1/endpoints", caller="owner_a", json=HOOK | {"paused": paused})
        where = path.format(id=made.json()["id"])
        return world.ask(caller, method, where, headers={"If-Match": made.headers["ETag"]}, **sent)

    return send


def on_subscription(method: str) -> Send:
    """Send a write to a fresh subscription of organisation A, which is ended again by whoever may."""

    def send(world: World, caller: str) -> Any:
        where = f"/v1/subscriptions/{uuid4()}"
        made = world.made("PUT", where, caller="owner_a", json={"channel": "feed"})
        given = {"json": {"channel": "feed", "organisation": world.ids["a"]}} if method == "PUT" else {}
        answer = world.ask(caller, method, where, headers={"If-Match": made.headers["ETag"]}, **given)
        now = world.get("admin", where)
        if now["state"] != "ended":
            world.made("DELETE", where, headers={"If-Match": f'"{now["revision"]}"'})
        return answer

    return send


def on_dismissal(method: str) -> Send:
    """Send a write to a dismissal by organisation A as it stands now."""

    def send(world: World, caller: str) -> Any:
        whose = f"?organisation={world.ids['a']}"
        where = f"/v1/dismissals/{world.ids['open']}"
        held = {one["project"]: one for one in world.get("admin", f"/v1/dismissals{whose}")["items"]}
        now = held.get(world.ids["open"])
        body = {"reason": "timing", "organisation": world.ids["a"]}
        if now is None:
            world.made("PUT", where, json=body)
        etag = f'"{1 if now is None else now["revision"]}"'
        given = {"json": body} if method == "PUT" else {}
        address = where if method == "PUT" else where + whose
        return world.ask(caller, method, address, headers={"If-Match": etag}, **given)

    return send


NOTIFICATIONS: dict[str, tuple[Row, ...]] = {
    # notifications: an organisation's own, its helper (BDT's administrator) and the auditor; nobody else may know
    "list_subscriptions": (Row(send=Get("/v1/subscriptions?organisation={a}"), allowed=LISTENERS),),
    "get_subscription": (
        Row(send=Get("/v1/subscriptions/{subscription}"), allowed=LISTENERS, unseen=NOT_LISTENING),
    ),
    "put_subscription": (Row(send=on_subscription("PUT"), allowed=A_WRITERS | ADMIN),),
    "end_subscription": (
        Row(
            send=on_subscription("DELETE"),
            allowed=A_WRITERS | ADMIN,
            status=204,
            unseen=NOT_LISTENING,
        ),
    ),
    "preview_subscription": (
        Row(
            send=lambda world, caller: world.ask(
                caller, "POST", "/v1/subscription-previews", json={"organisation": world.ids["a"]}
            ),
            allowed=LISTENERS,
        ),
    ),
    "list_endpoints": (Row(send=Get("/v1/endpoints?organisation={a}"), allowed=LISTENERS),),
    "get_endpoint": (Row(send=Get("/v1/endpoints/{endpoint}"), allowed=LISTENERS, unseen=NOT_LISTENING),),
    "create_endpoint": (
        Row(
            # A host that is a number in disguise: whoever may make endpoints is told so (422).
            send=lambda world, caller: world.ask(
                caller,
                "POST",
                "/v1/endpoints",
                json={"url": "http://127.0.0.1.0x7f/", "organisation": world.ids["a"]},
            ),
            allowed=A_WRITERS | ADMIN,
            status=422,
        ),
    ),
    "put_endpoint": (
        Row(
            send=on_endpoint("PUT", "/v1/endpoints/{id}", json=HOOK | {"paused": True}),
            allowed=A_WRITERS | ADMIN,
            unseen=NOT_LISTENING,
        ),
    ),
    "delete_endpoint": (
        Row(
            send=on_endpoint("DELETE", "/v1/endpoints/{id}"),
            allowed=A_WRITERS | ADMIN,
            status=204,
            unseen=NOT_LISTENING,
        ),
    ),
    "rotate_endpoint_secret": (
        Row(
            send=on_endpoint("POST", "/v1/endpoints/{id}/secrets", json={"overlap_hours": 1}),
            allowed=A_WRITERS | ADMIN,
            status=201,
            unseen=NOT_LISTENING,
        ),
    ),
    "ping_endpoint": (
        Row(
            send=on_endpoint("POST", "/v1/endpoints/{id}/ping"),
            allowed=A_WRITERS | ADMIN,
            status=202,
            unseen=NOT_LISTENING,
        ),
    ),
    # These endpoints are not active, so whoever may send to them is told that (409).
    "test_endpoint": (
        Row(
            send=on_endpoint("POST", "/v1/endpoints/{id}/test"),
            allowed=A_WRITERS | ADMIN,
            status=409,
            unseen=NOT_LISTENING,
        ),
    ),
    "recover_endpoint": (
        Row(
            send=on_endpoint("POST", "/v1/endpoints/{id}/recover", json={"since": "2026-01-01T00:00:00Z"}),
            allowed=A_WRITERS | ADMIN,
            status=409,
            unseen=NOT_LISTENING,
        ),
    ),
    "list_deliveries": (Row(send=Get("/v1/deliveries?organisation={a}"), allowed=LISTENERS),),
    "get_delivery": (Row(send=Get("/v1/deliveries/{delivery}"), allowed=LISTENERS, unseen=NOT_LISTENING),),
    "replay_delivery": (
        Row(
            send=lambda world, caller: world.ask(
                caller, "POST", f"/v1/deliveries/{world.ids['delivery']}/replay"
            ),
            allowed=A_WRITERS | ADMIN,
            status=409,
            unseen=NOT_LISTENING,
        ),
    ),
    "list_notices": (Row(send=Get("/v1/notices?organisation={a}"), allowed=LISTENERS),),
    "list_dismissals": (Row(send=Get("/v1/dismissals?organisation={a}"), allowed=LISTENERS),),
    "count_dismissals": (Row(send=Get("/v1/dismissals/{open}/counts"), allowed=EVERYBODY),),
    "dismiss_project": (Row(send=on_dismissal("PUT"), allowed=A_WRITERS | ADMIN),),
    "undismiss_project": (Row(send=on_dismissal("DELETE"), allowed=A_WRITERS | ADMIN, status=204),),
    "get_mail_link": (Row(send=Get("/v1/mail-links/{link}"), allowed=EVERYBODY),),
    # A link that nobody signed: everybody is told alike that it leads nowhere (404).
    "follow_mail_link": (
        Row(send=write("POST", "/v1/mail-links/nobody-signed-this"), allowed=EVERYBODY, status=404),
    ),
    # An address that nothing is kept from: who may lift it is told so (404).
    "lift_suppression": (
        Row(
            send=write("POST", "/v1/suppressions/lift", json={"email": "nobody@a.example"}),
            allowed=ADMIN,
            status=404,
        ),
    ),
    **dead_letters("notifications"),
    "list_audit_notifications": (Row(send=Get("/v1/audit/notifications"), allowed=ADMIN | AUDITOR),),
    "list_audit_matches": (Row(send=Get("/v1/audit/matches"), allowed=ADMIN | AUDITOR),),
}
