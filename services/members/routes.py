"""HTTP in, HTTP out, for `/v1/organisations`: no rule and no statement of SQL stands here."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response

from schemas.http.member_answers import (
    OrganisationPage,
    Profile,
    PublicOrganisation,
    RevisionPage,
    RevisionRecord,
    StudyGroupAnswer,
    WithdrawalBody,
)
from schemas.http.members import Category, MembershipState, OrganisationBody, OrganisationState
from services.chassis.identity.principal import Principal, principal_of
from services.chassis.web import audit
from services.chassis.web.cursors import cursors_of
from services.chassis.web.operation import execute
from services.chassis.web.parameters import Cursor, Limit
from services.chassis.web.problems import Forbidden, InvalidParameter, NotFound, Unauthenticated
from services.chassis.web.reading import respond, respond_page
from services.members import queries
from services.members.commands.leave import erase_organisation, withdraw_organisation
from services.members.commands.put import codebook_of, put_organisation
from services.members.rules import rights
from services.members.rules.rights import View
from services.members.rules.standing import study_group_role
from services.members.tables import METADATA

OrganisationId = Annotated[UUID, Path(description="The id that the client chose, a UUID.")]
Code = Annotated[str | None, Query(max_length=60)]

PRIVATE_FILTERS = ("state", "sme", "parent", "membership_state", "external_scheme", "external_id")
"""Filters on what only profiles say; a caller who sees the public view only may not ask by them."""


def routers() -> tuple[APIRouter, ...]:
    """Return this service's routes."""
    routes = APIRouter(prefix="/v1/organisations", tags=["organisations"])
    _add_reads(routes)
    _add_history(routes)
    _add_writes(routes)
    return routes, audit.router("members", METADATA.tables["audit"])


def _shown(principal: Principal, organisation_id: str) -> View:
    return rights.view_of(organisation_id, roles=principal.roles, own=principal.organisation)


def _add_reads(routes: APIRouter) -> None:
    @routes.get(
        "",
        operation_id="list_organisations",
        summary="Organisations, in order of their ids",
        responses={200: {"model": OrganisationPage}},
    )
    async def list_organisations(
        request: Request,
        *,
        limit: Limit = 50,
        cursor: Cursor = None,
        category: Category | None = None,
        country: Code = None,
        region: Code = None,
        name: Annotated[str | None, Query(max_length=300, description="The whole legal name.")] = None,
        state: OrganisationState | None = None,
        sme: bool | None = None,
        parent: UUID | None = None,
        membership_state: MembershipState | None = None,
        external_scheme: Annotated[str | None, Query(max_length=64)] = None,
        external_id: Annotated[str | None, Query(max_length=200)] = None,
    ) -> Response:
        """Name, country and category for everybody; profiles (without contacts) for those who may see them.

        Withdrawn organisations are left out unless `state=withdrawn` asks for them. The filters `state`, `sme`,
        `parent`, `membership_state` and `external_id` need a role that sees profiles.
        """
        principal = principal_of(request)
        filters: dict[str, Any] = {
            "category": category,
            "hq_country": country,
            "region": region,
            "name": name,
            "state": state,
            "sme": sme,
            "parent": None if parent is None else str(parent),
            "membership_state": membership_state,
            "external_scheme": external_scheme,
            "external_id": external_id,
        }
        _check_filters(request, filters, principal)
        kind = (
            f"organisations {sorted((name, value) for name, value in filters.items() if value is not None)}"
        )
        after = None if cursor is None else cursors_of(request).unseal(kind, cursor, principal)
        async with request.app.state.runtime.database.read() as connection:
            rows = await queries.page(connection, filters, after=after, limit=limit + 1)
        items = []
        for row in rows[:limit]:
            shown = _shown(principal, row["id"])
            items.append(queries.view(row, shown="profile" if shown == "full" else shown, contact=None))
        following = (
            cursors_of(request).seal(kind, rows[limit - 1]["id"], principal) if len(rows) > limit else None
        )
        return respond_page(request, items, next_cursor=following)

    @routes.get(
        "/{organisation_id}",
        operation_id="get_organisation",
        summary="One organisation, as far as the caller may see it",
        responses={200: {"model": Profile | PublicOrganisation}},
    )
    async def get_organisation(request: Request, organisation_id: OrganisationId) -> Response:
        """Return as much as the caller may see.

        The organisation itself, offices and BDT see the profile with its contact; project managers, analysts and
        auditors see it without; everybody else sees name, country and category.
        """
        shown = _shown(principal_of(request), str(organisation_id))
        async with request.app.state.runtime.database.read() as connection:
            row = await queries.one(connection, str(organisation_id))
            contact = await queries.contact_of(connection, row["id"]) if shown == "full" else None
        if shown == "public":
            if row["state"] == "withdrawn":
                raise NotFound
            return respond(request, queries.view(row, shown="public", contact=None))
        return respond(request, queries.view(row, shown=shown, contact=contact), revision=row["revision"])

    @routes.get(
        "/{organisation_id}/study-group-role",
        operation_id="check_study_group_role",
        summary="Whether the organisation may take a role in a study group",
        responses={200: {"model": StudyGroupAnswer}},
    )
    async def check_study_group_role(
        request: Request,
        organisation_id: OrganisationId,
        study_group: Annotated[str, Query(max_length=20, examples=["SG1"])],
        role: Annotated[str, Query(max_length=60, examples=["rapporteur"])],
    ) -> Response:
        """Say whether it may, and if not, by which rule.

        An Associate works in one study group, and attends, contributes and comments there. Projects are not concerned:
        every category is a candidate.
        """
        row = await _profile(request, str(organisation_id))
        refusal = study_group_role(
            codebook_of(request.app.state.runtime).reference,
            category=row["category"],
            own_group=queries.record_of(row).get("study_group"),
            group=study_group,
            role=role,
        )
        answer = {"study_group": study_group, "role": role, "allowed": refusal is None}
        if refusal is not None:
            answer |= {"rule": refusal.rule, "detail": refusal.detail, "fix": refusal.fix}
        return respond(request, answer)


def _add_history(routes: APIRouter) -> None:
    @routes.get(
        "/{organisation_id}/revisions",
        operation_id="list_organisation_revisions",
        summary="The history of an organisation, newest first",
        responses={200: {"model": RevisionPage}},
    )
    async def list_revisions(
        request: Request, organisation_id: OrganisationId, limit: Limit = 50, cursor: Cursor = None
    ) -> Response:
        """Return what was done when and by whom, for those who see the profile."""
        principal = principal_of(request)
        await _profile(request, str(organisation_id))
        kind = f"organisation-revisions {organisation_id}"
        before = None if cursor is None else cursors_of(request).unseal(kind, cursor, principal)
        async with request.app.state.runtime.database.read() as connection:
            rows = await queries.history(connection, str(organisation_id), before=before, limit=limit + 1)
        last = rows[limit - 1]["revision"] if len(rows) > limit else None
        following = None if last is None else cursors_of(request).seal(kind, last, principal)
        return respond_page(request, [queries.entry(row) for row in rows[:limit]], next_cursor=following)

    @routes.get(
        "/{organisation_id}/revisions/{number}",
        operation_id="get_organisation_revision",
        summary="One revision of an organisation, whole",
        responses={200: {"model": RevisionRecord}},
    )
    async def get_revision(
        request: Request, organisation_id: OrganisationId, number: Annotated[int, Path(ge=1, le=2**53)]
    ) -> Response:
        """Return the record of that revision, for those who see the profile. Contacts have no history."""
        await _profile(request, str(organisation_id))
        async with request.app.state.runtime.database.read() as connection:
            row = await queries.revision(connection, str(organisation_id), number)
        return respond(request, queries.entry(row) | {"record": queries.record_of(row)})


def _add_writes(routes: APIRouter) -> None:
    @routes.put(
        "/{organisation_id}",
        operation_id="put_organisation",
        summary="Register an organisation, or replace its profile whole",
        responses={200: {"model": Profile}, 201: {"model": Profile}},
    )
    async def put(request: Request, organisation_id: OrganisationId, body: OrganisationBody) -> Response:
        """Write the whole profile under an id that the client chose.

        Six fields are required; everything else raises confidence, never the score. Replacing needs If-Match with the ETag that was read. The same profile again makes no new revision. The same
        name in the same country is accepted with a warning.
        """
        return await execute(
            request, partial(put_organisation, organisation_id=str(organisation_id), body=body)
        )

    @routes.post(
        "/{organisation_id}/withdraw",
        operation_id="withdraw_organisation",
        summary="Take an organisation out of all open lists",
        responses={200: {"model": Profile}},
    )
    async def withdraw(request: Request, organisation_id: OrganisationId, body: WithdrawalBody) -> Response:
        """Withdraw it, as its own editor or BDT. Putting the profile again brings the organisation back."""
        command = partial(withdraw_organisation, organisation_id=str(organisation_id), reason=body.reason)
        return await execute(request, command)

    @routes.delete(
        "/{organisation_id}",
        operation_id="erase_organisation",
        summary="Erase an organisation for good",
        status_code=204,
        response_class=Response,
    )
    async def erase(request: Request, organisation_id: OrganisationId) -> Response:
        """Empty every text and the contact, in the history too, and tell every reader of the log. Not reversible."""
        return await execute(request, partial(erase_organisation, organisation_id=str(organisation_id)))


def _check_filters(request: Request, filters: dict[str, Any], principal: Principal) -> None:
    reference = codebook_of(request.app.state.runtime).reference
    checks = {"country": reference.check_country, "region": reference.check_region}
    for name, check in checks.items():
        value = filters["hq_country" if name == "country" else name]
        refusal = None if value is None else check(value)
        if refusal is not None:
            raise InvalidParameter(
                refusal.detail, errors=[{"parameter": name, "rule": refusal.detail, "fix": refusal.fix}]
            )
    if filters["external_scheme"] is not None and filters["external_id"] is None:
        raise InvalidParameter("external_scheme is read together with external_id only.")
    if any(filters[name] is not None for name in PRIVATE_FILTERS) and not rights.may_search_profiles(
        principal.roles
    ):
        if principal.is_anonymous:
            raise Unauthenticated
        raise Forbidden(f"The filters {', '.join(PRIVATE_FILTERS)} need a role that sees profiles.")


async def _profile(request: Request, organisation_id: str) -> Any:
    """Return the row for a caller who sees the profile. Raises Unauthenticated, Forbidden, NotFound, OrganisationErased."""
    principal = principal_of(request)
    if _shown(principal, organisation_id) == "public":
        if principal.is_anonymous:
            raise Unauthenticated
        raise Forbidden("Only the organisation itself and those who see profiles may read this.")
    async with request.app.state.runtime.database.read() as connection:
        return await queries.one(connection, organisation_id)
