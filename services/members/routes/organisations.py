"""`GET /v1/organisations`: the list, one organisation, and the question about study-group roles."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from schemas.http.member_answers import OrganisationPage, Profile, PublicOrganisation, StudyGroupAnswer
from schemas.http.members import Category, MembershipState, OrganisationState
from services.chassis.identity.principal import Principal, principal_of
from services.chassis.web.access import PUBLIC
from services.chassis.web.cursors import cursors_of
from services.chassis.web.faults import codebook_of
from services.chassis.web.openapi import refusals
from services.chassis.web.parameters import Cursor, Limit
from services.chassis.web.problems import Forbidden, InvalidParameter, NotFound, Unauthenticated
from services.chassis.web.reading import respond, respond_page
from services.chassis.web.runtime import runtime_in
from services.members import queries
from services.members.routes.parameters import OrganisationId, profile_row, shown_to
from services.members.rules import rights
from services.members.rules.problems import OrganisationErased
from services.members.rules.standing import study_group_role

Country = Annotated[
    str | None, Query(max_length=60, description="ISO 3166-1 alpha-3 code of the headquarters' country.")
]
Region = Annotated[str | None, Query(max_length=60, description="ITU region of the headquarters.")]

PRIVATE_FILTERS = ("state", "sme", "parent", "membership_state", "external_scheme", "external_id")
"""Filters on what only profiles say; a caller who sees the public view only may not ask by them."""


def router() -> APIRouter:
    """Return the routes that read organisations."""
    routes = APIRouter(prefix="/v1/organisations", tags=["organisations"])

    @routes.get(
        "",
        operation_id="list_organisations",
        summary="Organisations, in order of their ids",
        response_model=OrganisationPage,
        openapi_extra=PUBLIC,
    )
    async def list_organisations(
        request: Request,
        *,
        limit: Limit = 50,
        cursor: Cursor = None,
        category: Annotated[Category | None, Query(description="Only this category.")] = None,
        country: Country = None,
        region: Region = None,
        name: Annotated[str | None, Query(max_length=300, description="The whole legal name.")] = None,
        state: Annotated[
            OrganisationState | None, Query(description="Only organisations in this state.")
        ] = None,
        sme: Annotated[
            bool | None, Query(description="Only small and medium enterprises, or only others.")
        ] = None,
        parent: Annotated[
            UUID | None, Query(description="Only those directly below this organisation.")
        ] = None,
        membership_state: Annotated[
            MembershipState | None, Query(description="Only those whose membership is in this state.")
        ] = None,
        external_scheme: Annotated[
            str | None,
            Query(max_length=64, description="The scheme of `external_id`; refused without it."),
        ] = None,
        external_id: Annotated[
            str | None,
            Query(
                max_length=200, description="Only whom some scheme, or `external_scheme`, knows by this id."
            ),
        ] = None,
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
        async with runtime_in(request).database.read() as connection:
            rows = await queries.page(connection, filters, after=after, limit=limit + 1)
        items = []
        for row in rows[:limit]:
            shown = shown_to(principal, row["id"])
            items.append(queries.view(row, shown="profile" if shown == "full" else shown, contact=None))
        following = (
            cursors_of(request).seal(kind, rows[limit - 1]["id"], principal) if len(rows) > limit else None
        )
        return respond_page(request, items, next_cursor=following)

    @routes.get(
        "/{organisation_id}",
        operation_id="get_organisation",
        summary="One organisation, as far as the caller may see it",
        response_model=Profile | PublicOrganisation,
        responses=refusals(OrganisationErased),
        openapi_extra=PUBLIC,
    )
    async def get_organisation(request: Request, organisation_id: OrganisationId) -> Response:
        """Return as much as the caller may see.

        The organisation itself, offices and BDT see the profile with its contact; project managers, analysts and
        auditors see it without; everybody else sees name, country and category.
        """
        shown = shown_to(principal_of(request), str(organisation_id))
        async with runtime_in(request).database.read() as connection:
            row = await queries.one(connection, str(organisation_id))
            contact = await queries.contact_of(connection, row["id"]) if shown == "full" else None
        if shown == "public" and row["state"] == "withdrawn":
            raise NotFound
        # What is left out for others has no revision to be named by: two bodies would have one ETag.
        revision = row["revision"] if shown == "full" else None
        return respond(request, queries.view(row, shown=shown, contact=contact), revision=revision)

    @routes.get(
        "/{organisation_id}/study-group-role",
        operation_id="check_study_group_role",
        summary="Whether the organisation may take a role in a study group",
        response_model=StudyGroupAnswer,
        responses=refusals(OrganisationErased),
    )
    async def check_study_group_role(
        request: Request,
        organisation_id: OrganisationId,
        study_group: Annotated[
            str, Query(max_length=20, description="The study group's code.", examples=["SG1"])
        ],
        role: Annotated[str, Query(max_length=60, description="The role's code.", examples=["rapporteur"])],
    ) -> Response:
        """Say whether it may, and if not, by which rule.

        An Associate works in one study group, and attends, contributes and comments there. Projects are not concerned:
        every category is a candidate.
        """
        row = await profile_row(request, str(organisation_id))
        refusal = study_group_role(
            codebook_of(runtime_in(request)).reference,
            category=row["category"],
            own_group=queries.record_of(row).get("study_group"),
            group=study_group,
            role=role,
        )
        answer = {"study_group": study_group, "role": role, "allowed": refusal is None}
        if refusal is not None:
            answer |= {"rule": refusal.rule, "detail": refusal.detail, "fix": refusal.fix}
        return respond(request, answer)

    return routes


def _check_filters(request: Request, filters: dict[str, Any], principal: Principal) -> None:
    reference = codebook_of(runtime_in(request)).reference
    checks = {"country": reference.check_country, "region": reference.check_region}
    for name, check in checks.items():
        value = filters["hq_country" if name == "country" else name]
        refusal = None if value is None else check(value)
        if refusal is not None:
            raise InvalidParameter(
                refusal.detail,
                errors=[
                    {
                        "parameter": name,
                        "rule": refusal.rule,
                        "detail": refusal.detail,
                        "fix": refusal.fix,
                    }
                ],
            )
    if filters["external_scheme"] is not None and filters["external_id"] is None:
        raise InvalidParameter(
            "external_scheme is read together with external_id only.",
            errors=[
                {
                    "parameter": "external_scheme",
                    "rule": "with-external-id",
                    "detail": "A scheme alone names no record.",
                    "fix": "Add external_id, or leave external_scheme out.",
                }
            ],
        )
    if any(filters[name] is not None for name in PRIVATE_FILTERS) and not rights.may_search_profiles(
        principal.roles
    ):
        if principal.is_anonymous:
            raise Unauthenticated
        raise Forbidden(f"The filters {', '.join(PRIVATE_FILTERS)} need a role that sees profiles.")
