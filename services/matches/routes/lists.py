"""`/v1/lists/{project}`: the ranked list page by page, one organisation's row, reasons of many, and need coverage."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from schemas.http.coverage import CoverageAnswer
from schemas.http.matches import CandidateAnswer, CandidateList, Language
from schemas.http.reasons import ReasonsAnswer, ReasonsBody
from services.chassis.identity.principal import Principal, principal_of
from services.chassis.runtime import Runtime
from services.chassis.web.cursors import cursors_of
from services.chassis.web.openapi import QUESTION, refusals
from services.chassis.web.parameters import Cursor, Limit
from services.chassis.web.problems import InvalidParameter, NotFound, Unauthenticated
from services.chassis.web.reading import page_links, respond
from services.chassis.web.runtime import runtime_in
from services.matches.queries import candidates as queries
from services.matches.queries.archive import announced
from services.matches.queries.candidates import Asked
from services.matches.queries.coverage import coverage
from services.matches.queries.filters import Filters
from services.matches.queries.listing import Listing, open_listing, project_and_version
from services.matches.queries.noticing import excluded, told
from services.matches.queries.pages import Place
from services.matches.queries.reasons import Awaited
from services.matches.queries.waiting import (
    Token,
    on_its_way,
    preferred_wait,
    read_token,
    wait_until_covered,
    wait_until_listed,
)
from services.matches.routes.parameters import (
    Eligibility,
    Include,
    OrganisationId,
    Prefer,
    ProjectId,
    TokenText,
    check_country,
    check_region,
    filters_in,
    language_in,
    told_in,
)
from services.matches.rules import rights

RESTRICTED = refusals(rights.ListRestricted)


def router() -> APIRouter:
    """Return the routes of lists as they stand now."""
    routes = APIRouter(prefix="/v1/lists", tags=["lists"])

    @routes.get(
        "/{project_id}/candidates",
        operation_id="list_candidates",
        summary="A project's ranked candidates, page by page to the last one",
        response_model=CandidateList,
        responses=RESTRICTED,
    )
    async def list_candidates(
        request: Request,
        project_id: ProjectId,
        filters: Annotated[Filters, Depends(filters_in)],
        limit: Limit = 50,
        cursor: Cursor = None,
        eligibility: Eligibility = "eligible",
        include: Include = None,
        token: TokenText = None,
        prefer: Prefer = None,
        language: Annotated[Language, Depends(language_in)] = "en",
    ) -> Response:
        """Every eligible candidate with rank, exact points and reasons; a suggestion, not an endorsement.

        The team, offices, BDT and auditors see the whole list; an organisation sees its own row. Filters never re-rank:
        `rank` is the rank in the whole list. Before the first list the answer is `state: ranking` without rows; so it is
        for a project that is not known here yet, if `token` is one of this project's writes (`links.candidates` of the
        publishing answer carries it), and 404 without. `Prefer: wait` without a token waits for the first list. The first page also has the lane `also_fits`: organisations further down
        that fit too and are rarely seen. It changes no rank.
        """
        runtime, project, principal = runtime_in(request), str(project_id), principal_of(request)
        if principal.is_anonymous:
            raise Unauthenticated  # before anything is waited for
        check_country(runtime, filters.country)
        check_region(runtime, filters.region)
        reached, awaited = None, None if token is None else read_token(token)
        wait = preferred_wait(prefer, longest=runtime.settings.http.wait_seconds)
        if awaited is not None:
            readers: Awaited = runtime.state["awaited"]
            with readers.by_reader(project, language):
                reached = await wait_until_covered(runtime, project, awaited, seconds=wait)
        elif wait:
            await wait_until_listed(runtime, project, seconds=wait)
        headers = told_in(language) | ({"Preference-Applied": f"wait={wait:.0f}"} if wait else {})
        listing, view = await _opened(runtime, project, principal, awaited)
        asked = Asked(
            filters=filters,
            limit=limit,
            parts=include == "parts",
            excluded=eligibility == "excluded",
            own=None if view == "whole" else rights.speaks_for(principal),
            language=language,
        )
        body = queries.envelope(listing, view=view, language=language) | {"covers_token": reached}
        if asked.excluded:
            following = await _excluded(request, listing, asked, cursor, body)
        else:
            following = await _eligible(request, listing, asked, cursor, body)
        body["next"] = following
        return respond(request, body, links=page_links(request, following), headers=headers)

    @routes.get(
        "/{project_id}/candidates/{organisation_id}",
        operation_id="get_candidate",
        summary="One organisation on one list: its place, every part of its score, or why it is left out",
        response_model=CandidateAnswer,
        responses=RESTRICTED,
    )
    async def get_candidate(
        request: Request,
        project_id: ProjectId,
        organisation_id: OrganisationId,
        language: Annotated[Language, Depends(language_in)] = "en",
    ) -> Response:
        """Parts that add up exactly, with passages of both texts; reasons, margin, failed rules, gaps, proved changes.

        For an organisation about itself (`why not me`), and for those who see the whole list about anybody.
        """
        runtime, organisation = runtime_in(request), str(organisation_id)
        principal = principal_of(request)
        project, version = await project_and_version(runtime, str(project_id))
        view = rights.require_row(principal, project.team, organisation, state=project.state)
        listing = await open_listing(runtime, project, version)
        body = await queries.candidate(listing, organisation, view=view, language=language)
        return respond(request, body, headers=told_in(language))

    @routes.post(
        "/{project_id}/reasons",
        operation_id="ask_reasons",
        summary="Why these organisations stand above a list's floor, in several languages at once",
        response_model=ReasonsAnswer,
        responses=RESTRICTED,
        openapi_extra={QUESTION: True},
    )
    async def ask_reasons(request: Request, project_id: ProjectId, body: ReasonsBody) -> Response:
        """What a notice says of each: fit, band, confidence, shared words, sentences; no rank and no points.

        For those who see the whole list. Whom a hard rule leaves out is named apart, with the rule. Who is not above the floor
        now, and everybody on a list that is closed or has not been ranked, is in neither.
        """
        runtime, principal = runtime_in(request), principal_of(request)
        project, version = await project_and_version(runtime, str(project_id))
        rights.require_whole(principal, project.team, state=project.state)
        listing = await open_listing(runtime, project, version)
        asked, languages = [str(one) for one in body.organisations], tuple(dict.fromkeys(body.languages))
        rows = await told(listing, asked, languages)
        return respond(
            request, listing.described() | {"told": rows, "excluded": excluded(listing, asked, languages)}
        )

    @routes.get(
        "/{project_id}/coverage",
        operation_id="get_coverage",
        summary="How well each need of a project is met, which needs nobody meets, and where the head comes from",
        response_model=CoverageAnswer,
        responses=RESTRICTED,
    )
    async def get_coverage(request: Request, project_id: ProjectId) -> Response:
        """Per need: candidates above the floor who offer it, how many of them local; unmet needs are named.

        `spread` says how many rows of the head come from each region, and warns where one holds too much of a global project's.
        """
        runtime, principal = runtime_in(request), principal_of(request)
        project, version = await project_and_version(runtime, str(project_id))
        rights.require_whole(principal, project.team, state=project.state)
        return respond(request, coverage(await open_listing(runtime, project, version)))

    return routes


async def _opened(
    runtime: Runtime, project_id: str, principal: Principal, token: Token | None
) -> tuple[Listing, rights.View]:
    """Open a list; a project whose own token says that it is on its way here has one that is still being ranked."""
    try:
        project, version = await project_and_version(runtime, project_id)
    except NotFound:
        if token is None:
            raise
        if await on_its_way(runtime, project_id, token):
            pending = announced(project_id)
            return await open_listing(runtime, pending, None), rights.view_of_pending(principal)
        project, version = await project_and_version(runtime, project_id)  # it may have come in between
    view = rights.view_of(principal, project.team, state=project.state)
    return await open_listing(runtime, project, version), view


async def _eligible(
    request: Request, listing: Listing, asked: Asked, cursor: str | None, body: dict[str, object]
) -> str | None:
    """Put a page of candidates into the body; the sealed cursor of the next one."""
    principal, kind = principal_of(request), asked.filters.kind(listing.project.id)
    after = None if cursor is None else Place.from_json(cursors_of(request).unseal(kind, cursor, principal))
    body["candidates"], body["also_fits"], page = await queries.candidates(listing, asked, after=after)
    if after is not None and listing.computed is not None:
        body["changed_since_first_page"] = after.as_of != listing.computed.rows_digest
    if page.following is None:
        return None
    return cursors_of(request).seal(kind, page.following.to_json(), principal)


async def _excluded(
    request: Request, listing: Listing, asked: Asked, cursor: str | None, body: dict[str, object]
) -> str | None:
    """Put a page of those left out into the body; the sealed cursor of the next one."""
    if asked.filters.given:
        named = ", ".join(asked.filters.given)
        raise InvalidParameter(
            f"eligibility=excluded takes no filters; leave out {named}.",
            errors=[
                {
                    "parameter": name,
                    "rule": "not-with-excluded",
                    "detail": "It cannot be combined with eligibility=excluded.",
                    "fix": "Remove it.",
                }
                for name in asked.filters.given
            ],
        )
    principal, kind = principal_of(request), f"excluded {listing.project.id}"
    after = None if cursor is None else cursors_of(request).unseal(kind, cursor, principal)
    body["excluded"], last = await queries.excluded(listing, asked, after=after)
    return None if last is None else cursors_of(request).seal(kind, last, principal)
