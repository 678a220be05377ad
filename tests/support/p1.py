"""Synthetic telegrams of the kinds of meters that exist, with their own layout and checksum; none is a recording."""

import binascii


def reversed_bits(value: int, width: int) -> int:
    return int(f"{value:0{width}b}"[::-1], 2)


def checksum(data: bytes) -> int:
    """CRC-16/ARC by long division over the polynomial as published: slow, and nothing in common with the product's."""
    remainder = 0
    for byte in data:
        remainder ^= reversed_bits(byte, 8) << 8
        for _ in range(8):
            remainder = (remainder << 1 ^ 0x8005) & 0xFFFF if remainder & 0x8000 else remainder << 1
    return reversed_bits(remainder, 16)


def signed(lines: list[str]) -> bytes:
    """A telegram with its checksum."""
    return with_checksum(("\r\n".join(lines) + "\r\n!").encode("ascii"))


def with_checksum(data: bytes) -> bytes:
    """What lies between the first ``/`` and the last ``!``, and the right checksum for it."""
    body = data[max(data.find(b"/"), 0) :].rpartition(b"!")[0] + b"!"
    return body + f"{checksum(body):04X}\r\n".encode("ascii")


def text(words: str) -> str:
    return binascii.hexlify(words.encode()).decode().upper()


def dutch_v5(
    *,
    import_kw: float = 0.0,
    export_kw: float = 0.0,
    phases_import_kw: tuple[float, ...] = (0.0, 0.0, 0.0),
    phases_export_kw: tuple[float, ...] = (0.0, 0.0, 0.0),
    time: str = "240704143012S",
) -> bytes:
    """Three-phase meter of the Netherlands, once a second."""
    return signed(
        [
            "/HMS5\\TEST METER 5",
            "",
            "1-3:0.2.8(50)",
            f"0-0:1.0.0({time})",
            "0-0:96.1.1(4B384547303034303436333935353037)",
            "1-0:1.8.1(004711.815*kWh)",
            "1-0:1.8.2(004812.126*kWh)",
            "1-0:2.8.1(001234.001*kWh)",
            "1-0:2.8.2(002345.002*kWh)",
            "0-0:96.14.0(0002)",
            f"1-0:1.7.0({import_kw:06.3f}*kW)",
            f"1-0:2.7.0({export_kw:06.3f}*kW)",
            "0-0:96.7.21(00011)",
            "0-0:96.7.9(00002)",
            "1-0:99.97.0(1)(0-0:96.7.19)(231208152415W)(0000000240*s)",
            "1-0:32.32.0(00001)",
            "1-0:32.36.0(00000)",
            f"0-0:96.13.0({text('power cut on Monday')})",
            "1-0:32.7.0(231.4*V)",
            "1-0:52.7.0(229.8*V)",
            "1-0:72.7.0(230.1*V)",
            "1-0:31.7.0(001*A)",
            "1-0:51.7.0(002*A)",
            "1-0:71.7.0(003*A)",
            *(f"1-0:{code}.7.0({kw:06.3f}*kW)" for code, kw in zip((21, 41, 61), phases_import_kw, strict=True)),
            *(f"1-0:{code}.7.0({kw:06.3f}*kW)" for code, kw in zip((22, 42, 62), phases_export_kw, strict=True)),
            "0-1:24.1.0(003)",
            "0-1:96.1.0(4730303339303031363532303530323136)",
            "0-1:24.2.1(240704143000S)(01234.567*m3)",
        ]
    )


def dutch_v4(*, import_kw: float = 0.0, export_kw: float = 0.0) -> bytes:
    """One-phase meter, every 10 s; the total in steps of 10 W."""
    return signed(
        [
            "/HMS4\\TEST METER 4",
            "",
            "1-3:0.2.8(42)",
            "0-0:1.0.0(231029023005W)",
            "0-0:96.1.1(4B384547303034303436333935353037)",
            "1-0:1.8.1(000051.775*kWh)",
            "1-0:1.8.2(000000.000*kWh)",
            "1-0:2.8.1(000024.413*kWh)",
            "1-0:2.8.2(000000.000*kWh)",
            "0-0:96.14.0(0001)",
            f"1-0:1.7.0({import_kw:06.2f}0*kW)",
            f"1-0:2.7.0({export_kw:06.2f}0*kW)",
            "0-0:17.0.0(999.9*kW)",
            "0-0:96.3.10(1)",
            "1-0:31.7.0(001*A)",
            f"1-0:21.7.0({import_kw:06.3f}*kW)",
            f"1-0:22.7.0({export_kw:06.3f}*kW)",
            "0-1:24.1.0(003)",
            "0-1:24.2.1(231029020000W)(00000.300*m3)",
        ]
    )


def dutch_v2(*, import_kw: float = 0.0, export_kw: float = 0.0) -> bytes:
    """Old meter: no checksum, no time, no phases; the gas value has a line of its own."""
    lines = [
        "/HMS2 TEST METER 2",
        "",
        "0-0:96.1.1(4B384547303034303436333935353037)",
        "1-0:1.8.1(00001.001*kWh)",
        "1-0:1.8.2(00001.001*kWh)",
        "1-0:2.8.1(00001.001*kWh)",
        "1-0:2.8.2(00001.001*kWh)",
        "0-0:96.14.0(0001)",
        f"1-0:1.7.0({import_kw:07.2f}*kW)",
        f"1-0:2.7.0({export_kw:07.2f}*kW)",
        "0-0:17.0.0(0999.00*kW)",
        "0-0:96.3.10(1)",
        "0-0:96.13.1()",
        "0-0:96.13.0()",
        "0-1:24.1.0(3)",
        "0-1:96.1.0(3238313031353431303031333733353132)",
        "0-1:24.3.0(121030140000)(00)(60)(1)(0-1:24.2.1)(m3)",
        "(00001.001)",
        "0-1:24.4.0(1)",
        "!",
    ]
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


def belgian(*, import_kw: float = 0.0, export_kw: float = 0.0) -> bytes:
    """Fluvius meter on a three-phase connection, with the peaks of the capacity tariff and a placeholder for a time."""
    phase_import_kw, phase_export_kw = import_kw / 3, export_kw / 3
    return signed(
        [
            "/HMS5\\TEST METER B_A",
            "",
            "0-0:96.1.4(50217)",
            "0-0:96.1.1(3153414733313035303434363234)",
            "0-0:1.0.0(240704143012S)",
            "1-0:1.8.1(000034.000*kWh)",
            "1-0:1.8.2(000015.758*kWh)",
            "1-0:2.8.1(000000.000*kWh)",
            "1-0:2.8.2(000000.011*kWh)",
            "1-0:1.4.0(02.351*kW)",
            "1-0:1.6.0(240629134558S)(02.589*kW)",
            "0-0:98.1.0(1)(1-0:1.6.0)(1-0:1.6.0)(240601000000S)(240529134558S)(02.695*kW)",
            "0-0:96.14.0(0001)",
            f"1-0:1.7.0({import_kw:06.3f}*kW)",
            f"1-0:2.7.0({export_kw:06.3f}*kW)",
            *(f"1-0:{code}.7.0({phase_import_kw:06.3f}*kW)" for code in (21, 41, 61)),
            *(f"1-0:{code}.7.0({phase_export_kw:06.3f}*kW)" for code in (22, 42, 62)),
            "1-0:32.7.0(234.7*V)",
            "1-0:31.7.0(002.03*A)",
            "0-0:96.3.10(1)",
            "0-0:17.0.0(99.999*kW)",
            "1-0:31.4.0(999.99*A)",
            "0-0:96.13.0()",
            "0-1:24.1.0(003)",
            "0-1:96.1.1(37464C4F32313139303333373333)",
            "0-1:24.4.0(1)",
            "0-1:24.2.3(632525252525W)(00000.000*m3)",
        ]
    )
