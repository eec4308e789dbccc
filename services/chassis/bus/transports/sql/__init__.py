"""The embedded log: the same coordinates as Kafka in a few tables, for exactly one process.

Groups, leases and rebalancing are Kafka's job; here a group has one member, which owns every partition. In
exchange nothing polls: whoever appends wakes whoever waits, in the same process.
"""
