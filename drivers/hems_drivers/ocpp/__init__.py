"""Chargers that speak OCPP 1.6J: they call us, we are their central system.

:func:`~hems_drivers.ocpp.server.central_system` makes one driver for all chargers of a port.
"""
