"""The way of an event: outbox → relay → log → consumer, the same over the SQL log and over Apache Kafka.

Everything that decides semantics stands here, above the seam (`transport`); a transport only stores and hands
out records. This package must not know any service, nor the web.
"""
