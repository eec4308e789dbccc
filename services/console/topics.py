"""`comity topics`: create the topics of the catalogue that the log does not have yet.

What: creates, never deletes and never changes a partition count. Why: topics are never created by a first write. It must
not touch records.
"""

import asyncio

import typer


def topics() -> None:
    """Create missing topics, and print what there is."""
    from schemas.topics import TOPICS
    from services.chassis.lifecycle import open_transport
    from services.chassis.settings import load_settings
    from services.console.preparing import require_tables

    async def create() -> None:
        settings = load_settings()
        await require_tables(settings, ())
        async with open_transport(settings) as transport:
            await transport.create_topics(tuple(TOPICS.values()))
            for topic in TOPICS.values():
                kind = "state" if topic.compacted else "history"
                typer.echo(
                    f"{topic.name}: {await transport.partitions(topic.name)} partitions, {kind}, owner {topic.owner}"
                )

    asyncio.run(create())
