"""The aggregator over MQTT: an adapter over the Flexibility port."""
