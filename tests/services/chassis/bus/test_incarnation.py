"""A new life outranks everything that was said before, here and on the log."""

from sqlalchemy import MetaData

from services.chassis.bus import incarnation

METADATA = MetaData()
incarnation.attach(METADATA)


async def test_a_new_life_is_above_the_present_one_and_above_what_the_log_has_seen(bench):
    async with bench.database.write() as connection:
        await connection.run_sync(METADATA.create_all)
        lives = [await incarnation.current(connection)]
        for above in (0, 7, 3):
            lives.append(await incarnation.rise(connection, above=above))
            assert await incarnation.current(connection) == lives[-1]
    assert lives == [1, 2, 8, 9]
