"""Devices that speak MQTT: meters of any make, and heat pumps behind two SG-Ready relays."""

from hems_drivers.mqtt.driver import mqtt_driver

__all__ = ["mqtt_driver"]
