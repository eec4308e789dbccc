"""The list of services: the one place that names them all.

What: the descriptor of each service, by name. Why: the command line starts and migrates services from it, and nobody
else needs to know that there are several. Adding a service: a folder with a SERVICE, and one line here.
"""

from types import MappingProxyType

from services import identity, matches, members, notifications, projects

SERVICES = MappingProxyType(
    {
        service.name: service
        for service in (
            identity.SERVICE,
            projects.SERVICE,
            members.SERVICE,
            matches.SERVICE,
            notifications.SERVICE,
        )
    }
)
"""Service by name, in the order in which they start."""
