"""The real parts that Comity can run on: PostgreSQL and Apache Kafka, installed, started and stopped.

What: one module per part with `install()` (once, into the cache folder or by the system's package manager) and
`start(folder)` (a server of our own, on 127.0.0.1, that ends with the process that started it). Why: the split demo,
the tests and the benchmarks run on the real thing, so that nobody has to set a server up by hand first. It must not
be used to serve anybody: one broker, one disk, no replica.
"""
