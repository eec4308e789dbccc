"""Reference data: the countries, groups, offices, plans and code lists that the domain rules lean on.

Everything here is data with a source: one CSV file per list in ``data/``, one immutable ``Reference`` over
them, which ``load_reference()`` reads once in a process. This package keeps nothing that changes, reads no
clock (every dated question takes the date as an argument) and decides nothing about projects or organisations.
"""

from services.chassis.reference.catalogue import Reference, load_reference
from services.chassis.reference.rows import Refusal

__all__ = ["Reference", "Refusal", "load_reference"]
