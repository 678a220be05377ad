"""What speaks MQTT: meters of any make, heat pumps behind two SG-Ready relays, the grid operator's box."""

from hems_drivers.mqtt.driver import mqtt_driver
from hems_drivers.mqtt.operator_box import OperatorBox

__all__ = ["OperatorBox", "mqtt_driver"]
