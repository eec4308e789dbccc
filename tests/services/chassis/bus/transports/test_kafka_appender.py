"""The right to append on Apache Kafka, as it is asked for."""

from services.chassis.bus.transports.kafka import KafkaTransport
from services.chassis.bus.transports.kafka_appender import BATCH_SECONDS
from services.chassis.settings import Settings


async def test_the_broker_ends_no_transaction_within_the_time_that_a_batch_may_take() -> None:
    """A relay whose transaction was ended by time is told that it is fenced, and its process would end for nothing."""
    appender = KafkaTransport(Settings()).appender("members")
    try:
        assert appender._producer._txn_manager.transaction_timeout_ms > BATCH_SECONDS * 1_000
    finally:
        await appender._producer.stop()
