"""Who owns tables, and where their tables are declared."""

from importlib import import_module
from typing import cast

from sqlalchemy import MetaData

from services.chassis.settings import Settings

_TABLES = {
    "identity": "services.identity.tables",
    "projects": "services.projects.tables",
    "members": "services.members.tables",
    "matches": "services.matches.tables",
    "notifications": "services.notifications.tables",
    "log": "services.chassis.bus.transports.sql.tables",
}


def every_owner() -> tuple[str, ...]:
    """Return the name of every owner."""
    return tuple(_TABLES)


def owners_of(settings: Settings) -> tuple[str, ...]:
    """Return the owners that a deployment with these settings has: the embedded log is none on Kafka."""
    return tuple(name for name in _TABLES if name != "log" or settings.log.transport == "sql")


def metadata_of(owner: str) -> MetaData:
    """Return the tables that an owner declares. Raises KeyError for a name that is no owner's."""
    return cast("MetaData", import_module(_TABLES[owner]).METADATA)
