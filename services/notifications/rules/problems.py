"""The errors of this service, each with a page of its code."""

from services.chassis.web.problems import Conflict, Problem


class EndpointNotActive(Conflict):
    """The endpoint has not answered its ping yet, or is disabled. Verify it first."""

    code = "endpoint-not-active"
    title = "The endpoint is not active"


class EndpointInUse(Conflict):
    """Subscriptions still send to this endpoint. End them first."""

    code = "endpoint-in-use"
    title = "The endpoint is in use"


class TooManyEndpoints(Conflict):
    """An organisation has ten endpoints and a hundred subscriptions at most. Remove one that is not needed."""

    code = "too-many-endpoints"
    title = "There are enough of them"


class DeliveryUnderWay(Conflict):
    """The message is on its way already, its content is not kept any more, or its subscription is not active."""

    code = "delivery-under-way"
    title = "It cannot be sent again now"


class OrganisationErased(Problem):
    """The organisation was erased for good. Nothing is kept for it."""

    status = 410
    code = "organisation-erased"
    title = "Erased"


class OrganisationWithdrawn(Conflict):
    """The organisation has withdrawn, so it hears nothing. Writing its profile anew brings it back."""

    code = "organisation-withdrawn"
    title = "Withdrawn already"


class LinkInvalid(Problem):
    """The link was not made by us, what it is about is gone, or it asked an address that is not the subscription's any more."""

    status = 404
    code = "link-invalid"
    title = "The link leads nowhere"
