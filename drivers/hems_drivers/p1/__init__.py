"""Customer port (P1) of smart meters: DSMR 2 to 5 and its Belgian, Luxembourg and Nordic relatives."""

from hems_drivers.p1.driver import p1_driver

__all__ = ["p1_driver"]
