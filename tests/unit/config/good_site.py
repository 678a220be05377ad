"""A site file without mistakes, for tests that plant one."""

GOOD = """\
version: 1
site:
  name: Kerkstraat 12
  timezone: Europe/Amsterdam
  currency: EUR
  grid:
    phases: 3
    fuse: 25 A
    import_limit: 17 kW
    export_limit: 10 kW
connections:
  p1: {type: dsmr, port: /dev/serial/by-id/usb-FTDI_P1-0000}
  inverter: {type: modbus_tcp, host: 192.0.2.20}
  second: {type: modbus_tcp, host: 192.0.2.20, unit: 2}
  wallbox: {type: ocpp, identity: CP-0042, password: !secret wallbox}
  carport: {type: ocpp, identity: CP-0043, password: !secret carport}
  broker: {type: mqtt, url: "mqtts://broker.example:8883", user: site-42, password: !secret mqtt}
circuits:
  - {name: Garage, fuse: 20 A}
  - {name: Carport, fuse: 16 A, parent: Garage}
devices:
  - {name: Grid, kind: grid_meter, connection: p1, period: 1 s}
  - name: Hybrid
    kind: hybrid_inverter
    connection: inverter
    profile: sunspec
    pv: {planes: [{peak: 6 kWp, tilt: 35 deg, azimuth: 180 deg}]}
    battery:
      capacity: 10 kWh
      charge_efficiency: 95 %
      window: 10..95 %
      reserve: 20 %
  - name: Driveway
    kind: charger
    connection: wallbox
    phases: auto
    max_current: 16 A
    circuit: Garage
  - name: Guest
    kind: charger
    connection: carport
    phases: 1
    phase: L2
    min_current: 6 A
    max_current: 16 A
    circuit: Carport
  - name: Heat pump
    kind: heat_pump
    connection: broker
    min_power: 700 W
    max_power: 2.5 kW
    comfort: {room: 19.5..21.5 degC}
    house_model: {time_constant: 40 h, loss: 180 W/K}
    tank: {volume: 200 l, temperature: 45..60 degC}
    mqtt:
      power: hp/state#power.total
      room: hp/room
      tank: hp/state#tank.0
      block: {command: hp/block/set, state: hp/state#block}
      boost: {command: hp/boost/set, state: hp/state#boost, on: closed, off: open}
tariff:
  import:
    source: {type: day_ahead, area: NL}
    add: {energy_tax: 0.12 EUR/kWh}
    vat: 21 %
    fallback: 0.30 EUR/kWh
  export: {same_as: import, subtract: 0.02 EUR/kWh}
aggregator: {connection: broker, id: FLEX, home: HOME-4711}
"""


HERE = "»"
"""Stands in an edit where the message is expected."""


def changed(before: str, after: str) -> str:
    """The good file with one place edited."""
    assert GOOD.count(before) == 1, f"{before!r} is there {GOOD.count(before)} times"
    return GOOD.replace(before, after)


def planted(before: str, after: str) -> tuple[str, int, int]:
    """The good file with one place edited, and line and column of the mark in the edit."""
    marked = changed(before, after)
    above = marked[: marked.index(HERE)]
    return marked.replace(HERE, ""), above.count("\n") + 1, len(above) - above.rfind("\n")
