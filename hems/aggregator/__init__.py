"""The aggregator over MQTT: an adapter over the Flexibility port."""

from hems.aggregator.judge import SequenceStore
from hems.aggregator.messages import MESSAGES
from hems.aggregator.session import AggregatorSession
from hems.aggregator.topics import Topics, will_for
from hems.aggregator.ulid import new_ulid

__all__ = ["MESSAGES", "AggregatorSession", "SequenceStore", "Topics", "new_ulid", "will_for"]
