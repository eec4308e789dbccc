"""A Kafka cluster of several brokers on this machine, for what only a cluster shows: replicas, a new leader, a lost broker."""

import signal
from pathlib import Path
from string import Template

from services.console.parts import kafka
from services.console.parts.processes import Child, free_port

# What differs where several brokers make one cluster; a later line of the settings file wins.
_SEVERAL = Template("""
node.id=$number
controller.quorum.voters=$voters
default.replication.factor=$replicas
min.insync.replicas=$in_sync
offsets.topic.replication.factor=$replicas
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$in_sync
share.coordinator.state.topic.replication.factor=$replicas
share.coordinator.state.topic.min.isr=$in_sync
""")


def start_several(folder: Path, *, count: int = 3) -> tuple[kafka.Broker, ...]:
    """Start a cluster of combined brokers and controllers, each with its data in a folder of its own below this one.

    Internal topics have as many replicas as there are brokers and need all but one of them, as in production.
    """
    installed = kafka.install()
    folder = folder.absolute()
    ports = [(free_port(), free_port()) for _ in range(count)]
    voters = ",".join(f"{number}@127.0.0.1:{ports[number - 1][1]}" for number in range(1, count + 1))
    identity, children = kafka._identity(), []
    for number, (client, controller) in enumerate(ports, 1):
        home = folder / str(number)
        home.mkdir(parents=True)
        properties = home / "server.properties"
        several = _SEVERAL.substitute(number=number, voters=voters, replicas=count, in_sync=count - 1)
        properties.write_text(kafka._properties(home, client=client, controller=controller) + several)
        kafka._format(installed, properties, identity=identity)
        child = Child(
            f"Apache Kafka {number}",
            installed.command("kafka.Kafka", str(properties), heap="256m"),
            log=home / "broker.log",
            stop_signal=signal.SIGTERM,
        )
        children.append(kafka.Broker(child, port=client, folder=home))
    for broker in children:
        broker.wait_until_ready()
    return tuple(children)
