"""Mistakes that installers make, as edits of the good site file.

Name: what the good file says, what is written instead (» stands where the message points), words of the message.
"""

from tests.unit.config.good_site import GOOD

Mistakes = dict[str, tuple[str, str, tuple[str, ...]]]

SYNTAX: Mistakes = {
    "duplicate key": (
        "    fuse: 25 A\n",
        "    fuse: 25 A\n    »fuse: 35 A\n",
        ("site.grid.fuse", '"fuse" appears twice', "the first is on line 8"),
    ),
    "tab indentation": ("    fuse: 25 A", "»\tfuse: 25 A", ("tab", "spaces")),
    "no space after the colon": ("    fuse: 25 A", "    »fuse:25 A", ('":"', "a space after it")),
    "no space after the colon in braces": ("unit: 2}", "»unit:2}", ("has no value", 'a space after the ":"')),
    "decimal comma in braces": ("peak: 6 kWp", "peak: 6,»5 kWp", ("has no value", "point, not a comma")),
    "unclosed brace": ("- {name: Garage, fuse: 20 A}", "- »{name: Garage, fuse: 20 A", ('"}"', "missing")),
    "unclosed quote": ('"mqtts://broker.example:8883"', '»"mqtts://broker.example', ("quote", "never closed")),
    "unquoted colon": ("name: Kerkstraat 12", "name: Kerkstraat»: 12", ('":"', "quotes")),
    "empty value": ("  currency: EUR", "  »currency:", ("site.currency", "has no value", "delete the line")),
    "reference": ("fuse: 25 A", "fuse: »*main", ("*name", "write the value out")),
    "unknown tag": ("!secret carport", "»!env carport", ("connections.carport.password", '"!env"', "!secret NAME")),
    "secret without a name": ("!secret carport", "»!secret ''", ("a secret needs a name", "!secret wallbox")),
    "list as a setting's name": ("version: 1", "? »[version]\n: 1", ("plain text",)),
    "half a character": ("Kerkstraat 12", r'»"\ud83c"', ("half a character",)),
    "second document": ("connections:\n", "»---\nconnections:\n", ("second document",)),
}

SCHEMA: Mistakes = {
    "missing unit": (
        "import_limit: 17 kW",
        "import_limit: »17",
        ("site.grid.import_limit", 'needs a unit, for example "17 kW"'),
    ),
    "wrong unit": (
        "max_power: 2.5 kW",
        "max_power: »5 kWh",
        ('heat pump "Heat pump": max_power', '"5 kWh" is not a power; use W or kW, for example "11 kW"'),
    ),
    "unit in wrong case": ("max_power: 2.5 kW", "max_power: »2.5 KW", ('the unit is written "kW"', '"2.5 kW"')),
    "decimal comma": ("max_power: 2.5 kW", "max_power: »2,5 kW", ("has a comma", '"2.5 kW"')),
    "time of day instead of a quantity": ("fuse: 25 A", "fuse: »22:30", ("time of day", "not a current")),
    "nothing at all": ("max_power: 2.5 kW", "max_power: »0 kW", ('"0 kW" is too small', "more than 0 kW")),
    "unknown key": (
        "    profile: sunspec",
        "    »colour: red",
        ('unknown setting "colour"', "profile, circuit, phase"),
    ),
    "misspelt key": ("export_limit", "»export_limt", ('"export_limt"', 'did you mean "export_limit"?')),
    "misspelt key that is also missing": (
        "phases: auto\n    max_current",
        "phases: auto\n    »max_currnt",
        ('charger "Driveway"', '"max_currnt"', 'did you mean "max_current"? It is needed here.'),
    ),
    "missing key": (
        "battery:\n      capacity: 10 kWh\n",
        "»battery:\n",
        ('hybrid inverter "Hybrid": battery', '"capacity" is missing', '"capacity: 10 kWh"'),
    ),
    "missing time zone": (
        "site:\n  name: Kerkstraat 12\n  timezone: Europe/Amsterdam\n",
        "»site:\n  name: Kerkstraat 12\n",
        ("site", '"timezone" is missing', "Europe/Amsterdam"),
    ),
    "missing version": ("version: 1\nsite:", "»site:", ('"version" is missing', '"version: 1"')),
    "unknown kind": ("kind: heat_pump", "kind: »heatpump", ('"heatpump"', 'did you mean "heat_pump"?')),
    "no kind": (
        "- name: Heat pump\n    kind: heat_pump\n",
        "- »name: Heat pump\n",
        ('device "Heat pump"', '"kind" is missing', "add one of battery, charger"),
    ),
    "ttyUSB0": (
        "/dev/serial/by-id/usb-FTDI_P1-0000",
        "»/dev/ttyUSB0",
        ("connections.p1.port", "another device after a restart", "ls /dev/serial/by-id/"),
    ),
    "bad time zone": (
        "Europe/Amsterdam",
        "»Europe/Amsterdm",
        ("site.timezone", "not a time zone", 'did you mean "Europe/Amsterdam"?'),
    ),
    "other currency": ("currency: EUR", "currency: »GBP", ('"GBP"', "EUR")),
    "literal password": (
        "password: !secret wallbox",
        "password: »hunter2",
        ("connections.wallbox.password", "must not stand in this file", "!secret NAME"),
    ),
    "login in the address of the broker": (
        '"mqtts://broker.example:8883"',
        '»"mqtts://me:hunter2@broker.example"',
        ("login", "password: !secret NAME"),
    ),
    "secret where none belongs": ("user: site-42", "user: »!secret user", ("cannot be a secret", "passwords")),
    "efficiency over 100 %": ("efficiency: 95 %", "efficiency: »105 %", ('"105 %" is too much', "the most is 100 %")),
    "inverted window": ("10..95 %", "»95..10 %", ("battery.window", "upside down", '"10..95 %"')),
    "inverted comfort band": ("19.5..21.5", "»21.5..19.5", ("comfort.room", "upside down", '"19.5..21.5 degC"')),
    "one value where a list belongs": ("[{peak: 6 kWp, tilt: 35 deg, azimuth: 180 deg}]", "»6 kWp", ("list",)),
    "two phases": ("phases: 3", "phases: »2", ('"2"', "one of 1, 3")),
    "yes instead of true": ("planes: [", "curtailable: »yes, planes: [", ('"yes"', "neither true nor false")),
    "blank name": ("name: Kerkstraat 12", 'name: »" "', ("name that can be read",)),
    "endless name": ("Kerkstraat 12", "»" + "Kerkstraat" * 7, ("70 characters", "the most is 60")),
    "list where one value belongs": ("fuse: 25 A", "fuse: »[25 A]", ("one value",)),
    "list where a kind belongs": ("kind: heat_pump", "kind: »[heat_pump]", ("one of battery",)),
    "serial port by another name": ("/dev/serial/by-id/usb-FTDI_P1-0000", "»/dev/ttyAMA0", ("/dev/serial/by-id/",)),
    "no address of a broker": ('"mqtts://broker.example:8883"', "»broker.example", ("mqtts://broker.example:8883",)),
    "host with a scheme": ("192.0.2.20, unit", "»http://192.0.2.20, unit", ("not a host name", "192.0.2.20")),
    "unit out of range": ("unit: 2", "unit: »256", ("whole number from 0 to 255",)),
    "performance in words": ("max_power: 2.5 kW", "max_power: 2.5 kW\n    cop_at_7: »good", ("plain number", "3.8")),
    "performance in percent": ("max_power: 2.5 kW", "max_power: 2.5 kW\n    cop_at_7: »380", ("between 1 and 10",)),
    "negative reserve": ("reserve: 20 %", "reserve: »-20 %", ('"-20 %" is too small', "the least is 0 %")),
    "latitude in minutes": (
        "  name: Kerkstraat 12\n",
        "  name: Kerkstraat 12\n  location: {lat: »52°5, lon: 5.1}\n",
        ("site.location.lat", "plain number of degrees", "52.09"),
    ),
    "longitude beyond the date line": (
        "  name: Kerkstraat 12\n",
        "  name: Kerkstraat 12\n  location: {lat: 52.1, lon: »512}\n",
        ("not between -180 and 180",),
    ),
    "country instead of a bidding zone": ("area: NL", "area: »DE", ('"DE" is not a bidding zone', '"DE-LU"')),
    "bidding zone of nowhere": ("area: NL", "area: »Q", ("not a bidding zone", "AT, BE, BG")),
    "host with a port": ("192.0.2.20, unit", "»192.0.2.20:1502, unit", ("holds a port", "a setting of its own")),
    "broker at no port": ('"mqtts://broker.example:8883"', '»"mqtts://broker.example:70000"', ("1 to 65535",)),
    "host with two colons": ("192.0.2.20, unit", "»12:34:56, unit", ("not a host name or an address",)),
    "host with two dots": ("192.0.2.20, unit", "»inverter..local, unit", ("not a host name or an address",)),
    "host with an endless part": (
        "192.0.2.20, unit",
        "»" + "a" * 64 + ".local, unit",
        ("not a host name or an address",),
    ),
    "host of an address beyond 255": ("192.0.2.20, unit", "»192.0.2.300, unit", ("not a host name or an address",)),
    "host of half an address": ("192.0.2.20, unit", "»192.0.2, unit", ("not a host name or an address",)),
    "host of an address with an empty interface": ("192.0.2.20, unit", "»'fe80::1%..', unit", ("not a host name",)),
    "broker with two dots": (
        '"mqtts://broker.example:8883"',
        '»"mqtts://broker..example:8883"',
        ("not the address of a broker",),
    ),
    "broker at an address beyond 255": (
        '"mqtts://broker.example:8883"',
        '»"mqtts://192.0.2.300:8883"',
        ("not the address of a broker",),
    ),
    "broker at half an address": (
        '"mqtts://broker.example:8883"',
        '»"mqtt://[12:34]"',
        ("not the address of a broker",),
    ),
    "port of the system": ("identity: CP-0042", "identity: CP-0042, listen: »80", ("from 1024 to 65535",)),
    "topic with a wildcard": ("command: hp/block/set", "command: »hp/+/set", ("wildcard", "without + and #")),
    "value in a message without a name": (
        "hp/state#power.total",
        "»hp/state#power..total",
        ("does not say which value", "meter/state#power.total"),
    ),
    "pseudonym with a slash": ("home: HOME-4711", "home: »HOME/4711", ("letters, digits", "HOME-4711")),
    "newer version": ("version: 1", "version: »2", ('"2"', "one of 1")),
}

REFERENCES: Mistakes = {
    "unknown connection": ("connection: p1", "connection: »p2", ('grid meter "Grid"', 'no connection "p2"', '"p1"')),
    "unknown connection of the aggregator": (
        "aggregator: {connection: broker",
        "aggregator: {connection: »brokr",
        ("aggregator.connection", 'no connection "brokr"', 'did you mean "broker"?'),
    ),
    "unknown circuit": ("circuit: Carport", "circuit: »Carprot", ('"Carprot"', 'did you mean "Carport"?')),
    "circuit loop": (
        "{name: Garage, fuse: 20 A}",
        "{name: Garage, fuse: 20 A, parent: »Carport}",
        ("runs in a circle", '"Garage" is fed by "Carport" is fed by "Garage"'),
    ),
    "circuit fed by nothing": ("parent: Garage", "parent: »Shed", ('circuit "Carport"', 'no circuit "Shed"')),
    "two circuits of one name": ("name: Carport,", "name: »Garage,", ("two circuits", "line 19")),
    "circuit without a letter for an id": ("name: Carport,", 'name: »"§",', ("Latin letter",)),
    "circuit called main": ("name: Carport,", "name: »Main,", ("main fuse", "another name")),
    "duplicated device name": ("name: Guest", "name: »Driveway", ('called "Driveway"', "the first is on line 33")),
    "names that make one id": ("name: Guest", "name: »Hybrid PV", ('"Hybrid" on line 23', '"hybrid-pv"')),
    "name without a letter for an id": ("name: Guest", "name: »车库", ("Latin letter",)),
}

CROSSCHECKS: Mistakes = {
    "no grid meter": (
        "devices:\n  - {name: Grid, kind: grid_meter, connection: p1, period: 1 s}\n",
        "»devices:\n",
        ("no grid meter", "fuse", "kind: grid_meter"),
    ),
    "two grid meters": (
        "period: 1 s}\n",
        "period: 1 s}\n  - {name: Old, kind: »grid_meter, connection: second, profile: sunspec}\n",
        ("a second grid meter", "line 22"),
    ),
    "charger on the meter's port": (
        "connection: carport",
        "connection: »p1",
        ('"p1" is of type dsmr, where no charger can be', "ocpp"),
    ),
    "heat pump on a charger's connection": (
        "    connection: broker\n",
        "    connection: »carport\n",
        ('"carport" is of type ocpp, where no heat pump can be', "a connection of type mqtt"),
    ),
    "heat pump at a Modbus unit": (
        "    connection: broker\n",
        "    connection: »second\n",
        ('"second" is of type modbus_tcp', "a heat pump needs a connection of type mqtt"),
    ),
    "inverter at a broker": (
        "    connection: inverter\n",
        "    connection: »broker\n",
        ('"broker" is of type mqtt, where no hybrid inverter', "a connection of type modbus_tcp"),
    ),
    "charger at a Modbus unit": (
        "    connection: carport\n",
        "    connection: »second\n",
        ("no charger can be", "a connection of type ocpp"),
    ),
    "meter without a register map": (
        "connection: p1,",
        "connection: »second,",
        ("which register means what", '"profile: sunspec"'),
    ),
    "meter at a broker without topics": (
        "connection: p1,",
        "connection: »broker,",
        ('"broker" is a broker; its topics are missing', "mqtt: {power:"),
    ),
    "heat pump without topics": (
        GOOD[GOOD.index("    connection: broker\n    min") : GOOD.index("tariff:")],
        "    connection: »broker\n    min_power: 700 W\n    max_power: 2.5 kW\n    tank: {volume: 200 l, "
        "temperature: 45..60 degC}\n",
        ("its topics are missing", "block: {command:"),
    ),
    "topics at a meter that is no broker": (
        "connection: p1,",
        "connection: p1, »mqtt: {power: a/b},",
        ('"p1" is not a broker', "delete the topics"),
    ),
    "two phases of three": (
        "connection: p1,",
        "connection: broker, mqtt: {power: a/b, phases: »[a/1, a/2]},",
        ("2 topics for three phases", "L1, L2 and L3"),
    ),
    "register map that does not exist": (
        "profile: sunspec",
        "profile: »huawei",
        ('no profile "huawei"', "sunspec"),
    ),
    "register map of a charger": (
        "connection: wallbox\n",
        "connection: wallbox\n    »profile: sunspec\n",
        ("register map of Modbus", "delete it"),
    ),
    "one relay for two purposes": (
        "boost: {command: hp/boost/set",
        "boost: {command: »hp/block/set",
        ('"hp/block/set" is already "block.command" of "Heat pump" on line 59', "each relay has a topic of its own"),
    ),
    "two relays that tell one state": (
        "state: hp/state#boost",
        "state: »hp/state#block",
        ('"hp/state#block" is already "block.state" of "Heat pump" on line 59', "a value of its own inside a message"),
    ),
    "relay that hears its own commands": (
        "boost: {command: hp/boost/set, state: hp/state#boost",
        "boost: {command: hp/boost/set, state: »hp/boost/set#state",
        ('"hp/boost/set#state" is already "boost.command"', "its own commands for what the device tells"),
    ),
    "relay switched by a thermometer": (
        "boost: {command: hp/boost/set",
        "boost: {command: »hp/room",
        ('"hp/room" is already "room" of "Heat pump" on line 57', "commands need a topic of their own"),
    ),
    "one topic for room and tank": (
        "tank: hp/state#tank.0",
        "tank: »hp/room",
        ('"hp/room" is already "room" of "Heat pump"',),
    ),
    "one topic for two phases": (
        "connection: p1,",
        "connection: broker, mqtt: {power: a/b, phases: [a/1, a/2, »a/1]},",
        ('"a/1" is already "L1" of "Grid" on line 22',),
    ),
    "heat pump switched by another's relay": (
        "tariff:\n",
        """\
  - {name: Annex, kind: heat_pump, connection: broker, min_power: 700 W, max_power: 2 kW,
     tank: {volume: 100 l, temperature: 45..60 degC},
     mqtt: {power: annex/power, tank: hp/state#tank.0, block: {command: »hp/block/set, state: annex/block},
            boost: {command: annex/boost/set, state: annex/boost}}}
tariff:
""",
        ('"hp/block/set" is already "block.command" of "Heat pump" on line 59',),
    ),
    "on that is off": (
        "      boost: {command: hp/boost/set, state: hp/state#boost, on: closed, off: open}",
        '      »boost: {command: hp/boost/set, state: hp/state#boost, off: "on"}',
        ('on and off are both "on"', "must differ"),
    ),
    "Modbus unit for two devices": (
        "tariff:\n",
        "  - {name: Shed, kind: solar, connection: »inverter, profile: sunspec, "
        "planes: [{peak: 1 kWp, tilt: 10 deg, azimuth: 90 deg}]}\ntariff:\n",
        ('"inverter" already belongs to "Hybrid"', "hybrid_inverter"),
    ),
    "aggregator at no broker": (
        "aggregator: {connection: broker",
        "aggregator: {connection: »wallbox",
        ("aggregator.connection", '"wallbox" is of type ocpp', "mqtt"),
    ),
    "port of a reader that is serial": (
        "usb-FTDI_P1-0000}",
        "usb-FTDI_P1-0000, »tcp_port: 23}",
        ("connections.p1.tcp_port", "belongs to a host"),
    ),
    "OCPP identity twice": ("CP-0043", "»CP-0042", ('"CP-0042" is already taken by "wallbox" on line 15',)),
    "two chargers on one OCPP connection": (
        "connection: carport",
        "connection: »wallbox",
        ('"wallbox" already belongs to "Driveway"',),
    ),
    "Modbus unit twice": (
        "host: 192.0.2.20, unit: 2",
        "host: »192.0.2.20",
        ('unit 1 at 192.0.2.20:502 is already connected as "inverter" on line 13',),
    ),
    "meter at no port": (
        "p1: {type: dsmr, port: /dev/serial/by-id/usb-FTDI_P1-0000}",
        "»p1: {type: dsmr}",
        ("port", "host"),
    ),
    "fuse below the charger's minimum": (
        "min_current: 6 A\n    max_current: 16 A\n    circuit: Carport",
        "min_current: »17 A\n    max_current: 32 A\n    circuit: Carport",
        ('charger "Guest"', '17 A, more than the fuse of circuit "Carport" (16 A)', "never start"),
    ),
    "largest current below the smallest": (
        "max_current: 16 A\n    circuit: Garage",
        "max_current: »5 A\n    circuit: Garage",
        ("5 A is less than the smallest current, 6 A", "never start"),
    ),
    "power of a charger below its smallest current": (
        "phases: auto\n",
        "phases: auto\n    max_power: »1.2 kW\n",
        ("charging begins at 1.4 kW (6 A)", "never start"),
    ),
    "reserve outside the window": ("reserve: 20 %", "reserve: »5 %", ("5 % is outside the window of 10 to 95 %",)),
    "one-phase charger on no phase": (
        "phases: 1\n    phase: L2\n",
        "phases: »1\n",
        ("one phase of three", 'add "phase: L1"'),
    ),
    "heat pump that warms nothing": (
        """- name: Heat pump
    kind: heat_pump
    connection: broker
    min_power: 700 W
    max_power: 2.5 kW
    comfort: {room: 19.5..21.5 degC}
    house_model: {time_constant: 40 h, loss: 180 W/K}
    tank: {volume: 200 l, temperature: 45..60 degC}
""",
        """- »name: Heat pump
    kind: heat_pump
    connection: broker
    min_power: 700 W
    max_power: 2.5 kW
""",
        ("neither rooms nor a tank", "comfort and house_model, or tank"),
    ),
    "comfort without a house model": (
        "comfort: {room: 19.5..21.5 degC}\n    house_model: {time_constant: 40 h, loss: 180 W/K}\n",
        "»comfort: {room: 19.5..21.5 degC}\n",
        ("house_model", "time_constant: 40 h"),
    ),
    "house model without comfort": (
        "comfort: {room: 19.5..21.5 degC}\n    house_model",
        "»house_model",
        ("comfort", "19.5..21.5 degC"),
    ),
    "powers of a heat pump exchanged": ("min_power: 700 W", "min_power: »7 kW", ("more than max_power",)),
    "no fallback price": (
        "import:\n    source: {type: day_ahead, area: NL}\n    add: {energy_tax: 0.12 EUR/kWh}\n    vat: 21 %\n"
        "    fallback: 0.30 EUR/kWh\n",
        "»import:\n    source: {type: day_ahead, area: NL}\n    vat: 21 %\n",
        ("tariff.import", "fallback price", "fallback: 0.30 EUR/kWh"),
    ),
    "two bidding zones": (
        "{same_as: import,",
        "{source: {type: day_ahead, area: »BE},",
        ("BE is another bidding zone", "NL"),
    ),
    "export price of nothing": ("export: {same_as: import, ", "»export: {", ("same_as or source",)),
}
