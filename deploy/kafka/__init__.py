"""A local Kafka for development and tests.

    python -m deploy.kafka --port 9092 --data-dir .bellwether/kafka

runs one in the foreground. In code: `Broker(new_place(directory)).start()`.
"""

from deploy.kafka.broker import Broker, BrokerFailed, Place, new_place
from deploy.kafka.jars import JarsUnavailable

__all__ = ["Broker", "BrokerFailed", "JarsUnavailable", "Place", "new_place"]
