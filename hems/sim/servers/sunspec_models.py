"""Layout of the SunSpec models that the simulated devices have, and how their points are coded.

Names, order and types of the points are those of the SunSpec information models; ID and L come first in each.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Value = int | str
BASE: Final = 40_000
"""Register of the marker, the first of three places where clients look."""
MARKER: Final = (0x5375, 0x6E53)
END: Final = (0xFFFF, 0)

_LAYOUT: Final = {
    1: "Mn:string32 Md:string32 Opt:string16 Vr:string16 SN:string32 DA:uint16 Pad:pad",
    103: (
        "A:uint16 AphA:uint16 AphB:uint16 AphC:uint16 A_SF:sunssf PPVphAB:uint16 PPVphBC:uint16 PPVphCA:uint16 "
        "PhVphA:uint16 PhVphB:uint16 PhVphC:uint16 V_SF:sunssf W:int16 W_SF:sunssf Hz:uint16 Hz_SF:sunssf VA:int16 "
        "VA_SF:sunssf VAr:int16 VAr_SF:sunssf PF:int16 PF_SF:sunssf WH:acc32 WH_SF:sunssf DCA:uint16 DCA_SF:sunssf "
        "DCV:uint16 DCV_SF:sunssf DCW:int16 DCW_SF:sunssf TmpCab:int16 TmpSnk:int16 TmpTrns:int16 TmpOt:int16 "
        "Tmp_SF:sunssf St:enum16 StVnd:enum16 Evt1:bitfield32 Evt2:bitfield32 EvtVnd1:bitfield32 EvtVnd2:bitfield32 "
        "EvtVnd3:bitfield32 EvtVnd4:bitfield32"
    ),
    120: (
        "DERTyp:enum16 WRtg:uint16 WRtg_SF:sunssf VARtg:uint16 VARtg_SF:sunssf VArRtgQ1:int16 VArRtgQ2:int16 "
        "VArRtgQ3:int16 VArRtgQ4:int16 VArRtg_SF:sunssf ARtg:uint16 ARtg_SF:sunssf PFRtgQ1:int16 PFRtgQ2:int16 "
        "PFRtgQ3:int16 PFRtgQ4:int16 PFRtg_SF:sunssf WHRtg:uint16 WHRtg_SF:sunssf AhrRtg:uint16 AhrRtg_SF:sunssf "
        "MaxChaRte:uint16 MaxChaRte_SF:sunssf MaxDisChaRte:uint16 MaxDisChaRte_SF:sunssf Pad:pad"
    ),
    121: (
        "WMax:uint16 VRef:uint16 VRefOfs:int16 VMax:uint16 VMin:uint16 VAMax:uint16 VArMaxQ1:int16 VArMaxQ2:int16 "
        "VArMaxQ3:int16 VArMaxQ4:int16 WGra:uint16 PFMinQ1:int16 PFMinQ2:int16 PFMinQ3:int16 PFMinQ4:int16 "
        "VArAct:enum16 ClcTotVA:enum16 MaxRmpRte:uint16 ECPNomHz:uint16 ConnPh:enum16 WMax_SF:sunssf VRef_SF:sunssf "
        "VRefOfs_SF:sunssf VMinMax_SF:sunssf VAMax_SF:sunssf VArMax_SF:sunssf WGra_SF:sunssf PFMin_SF:sunssf "
        "MaxRmpRte_SF:sunssf ECPNomHz_SF:sunssf"
    ),
    122: (
        "PVConn:bitfield16 StorConn:bitfield16 ECPConn:bitfield16 ActWh:acc64 ActVAh:acc64 ActVArhQ1:acc64 "
        "ActVArhQ2:acc64 ActVArhQ3:acc64 ActVArhQ4:acc64 VArAval:int16 VArAval_SF:sunssf WAval:uint16 WAval_SF:sunssf "
        "StSetLimMsk:bitfield32 StActCtl:bitfield32 TmSrc:string8 Tms:uint32 RtSt:bitfield16 Ris:uint16 Ris_SF:sunssf"
    ),
    123: (
        "Conn_WinTms:uint16 Conn_RvrtTms:uint16 Conn:enum16 WMaxLimPct:uint16 WMaxLimPct_WinTms:uint16 "
        "WMaxLimPct_RvrtTms:uint16 WMaxLimPct_RmpTms:uint16 WMaxLim_Ena:enum16 OutPFSet:int16 OutPFSet_WinTms:uint16 "
        "OutPFSet_RvrtTms:uint16 OutPFSet_RmpTms:uint16 OutPFSet_Ena:enum16 VArWMaxPct:int16 VArMaxPct:int16 "
        "VArAvalPct:int16 VArPct_WinTms:uint16 VArPct_RvrtTms:uint16 VArPct_RmpTms:uint16 VArPct_Mod:enum16 "
        "VArPct_Ena:enum16 WMaxLimPct_SF:sunssf OutPFSet_SF:sunssf VArPct_SF:sunssf"
    ),
    124: (
        "WChaMax:uint16 WChaGra:uint16 WDisChaGra:uint16 StorCtl_Mod:bitfield16 VAChaMax:uint16 MinRsvPct:uint16 "
        "ChaState:uint16 StorAval:uint16 InBatV:uint16 ChaSt:enum16 OutWRte:int16 InWRte:int16 "
        "InOutWRte_WinTms:uint16 InOutWRte_RvrtTms:uint16 InOutWRte_RmpTms:uint16 ChaGriSet:enum16 "
        "WChaMax_SF:sunssf WChaDisChaGra_SF:sunssf VAChaMax_SF:sunssf MinRsvPct_SF:sunssf ChaState_SF:sunssf "
        "StorAval_SF:sunssf InBatV_SF:sunssf InOutWRte_SF:sunssf"
    ),
    160: (
        "DCA_SF:sunssf DCV_SF:sunssf DCW_SF:sunssf DCWH_SF:sunssf Evt:bitfield32 N:count TmsPer:uint16 "
        "module_ID:uint16 module_IDStr:string16 module_DCA:uint16 module_DCV:uint16 module_DCW:uint16 "
        "module_DCWH:acc32 module_Tms:uint32 module_Tmp:int16 module_DCSt:enum16 module_DCEvt:bitfield32"
    ),
    203: (
        "A:int16 AphA:int16 AphB:int16 AphC:int16 A_SF:sunssf PhV:int16 PhVphA:int16 PhVphB:int16 PhVphC:int16 "
        "PPV:int16 PhVphAB:int16 PhVphBC:int16 PhVphCA:int16 V_SF:sunssf Hz:int16 Hz_SF:sunssf W:int16 WphA:int16 "
        "WphB:int16 WphC:int16 W_SF:sunssf VA:int16 VAphA:int16 VAphB:int16 VAphC:int16 VA_SF:sunssf VAR:int16 "
        "VARphA:int16 VARphB:int16 VARphC:int16 VAR_SF:sunssf PF:int16 PFphA:int16 PFphB:int16 PFphC:int16 "
        "PF_SF:sunssf TotWhExp:acc32 TotWhExpPhA:acc32 TotWhExpPhB:acc32 TotWhExpPhC:acc32 TotWhImp:acc32 "
        "TotWhImpPhA:acc32 TotWhImpPhB:acc32 TotWhImpPhC:acc32 TotWh_SF:sunssf TotVAhExp:acc32 TotVAhExpPhA:acc32 "
        "TotVAhExpPhB:acc32 TotVAhExpPhC:acc32 TotVAhImp:acc32 TotVAhImpPhA:acc32 TotVAhImpPhB:acc32 "
        "TotVAhImpPhC:acc32 TotVAh_SF:sunssf TotVArhImpQ1:acc32 TotVArhImpQ1PhA:acc32 TotVArhImpQ1PhB:acc32 "
        "TotVArhImpQ1PhC:acc32 TotVArhImpQ2:acc32 TotVArhImpQ2PhA:acc32 TotVArhImpQ2PhB:acc32 TotVArhImpQ2PhC:acc32 "
        "TotVArhExpQ3:acc32 TotVArhExpQ3PhA:acc32 TotVArhExpQ3PhB:acc32 TotVArhExpQ3PhC:acc32 TotVArhExpQ4:acc32 "
        "TotVArhExpQ4PhA:acc32 TotVArhExpQ4PhB:acc32 TotVArhExpQ4PhC:acc32 TotVArh_SF:sunssf Evt:bitfield32"
    ),
    802: (
        "AHRtg:uint16 WHRtg:uint16 WChaRteMax:uint16 WDisChaRteMax:uint16 DisChaRte:uint16 SoCMax:uint16 SoCMin:uint16 "
        "SocRsvMax:uint16 SoCRsvMin:uint16 SoC:uint16 DoD:uint16 SoH:uint16 NCyc:uint32 ChaSt:enum16 LocRemCtl:enum16 "
        "Hb:uint16 CtrlHb:uint16 AlmRst:uint16 Typ:enum16 State:enum16 StateVnd:enum16 WarrDt:uint32 Evt1:bitfield32 "
        "Evt2:bitfield32 EvtVnd1:bitfield32 EvtVnd2:bitfield32 V:uint16 VMax:uint16 VMin:uint16 CellVMax:uint16 "
        "CellVMaxStr:uint16 CellVMaxMod:uint16 CellVMin:uint16 CellVMinStr:uint16 CellVMinMod:uint16 CellVAvg:uint16 "
        "A:int16 AChaMax:uint16 ADisChaMax:uint16 W:int16 ReqInvState:enum16 ReqW:int16 SetOp:enum16 "
        "SetInvState:enum16 AHRtg_SF:sunssf WHRtg_SF:sunssf WChaDisChaMax_SF:sunssf DisChaRte_SF:sunssf SoC_SF:sunssf "
        "DoD_SF:sunssf SoH_SF:sunssf V_SF:sunssf CellV_SF:sunssf A_SF:sunssf AMax_SF:sunssf W_SF:sunssf"
    ),
}
"""``NAME:TYPE`` of each point. Model 160 stands here with one module."""

_FORMAT: Final = {
    "uint16": ">H", "enum16": ">H", "bitfield16": ">H", "count": ">H", "pad": ">H", "int16": ">h", "sunssf": ">h",
    "uint32": ">I", "acc32": ">I", "bitfield32": ">I", "acc64": ">Q",
}  # fmt: skip
_ABSENT: Final = {
    "uint16": 0xFFFF, "enum16": 0xFFFF, "bitfield16": 0xFFFF, "count": 0, "pad": 0x8000, "int16": -0x8000,
    "sunssf": -0x8000, "uint32": 0xFFFF_FFFF, "acc32": 0, "bitfield32": 0xFFFF_FFFF, "acc64": 0,
}  # fmt: skip
"""What a point says that the device does not have."""
_STRING: Final = "string"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value of a model."""

    name: str
    kind: str
    offset: int
    """From the model's ID [registers]."""
    size: int
    """Registers."""

    def words(self, value: Value | None) -> tuple[int, ...]:
        """The value as registers; None: the device does not have it.

        Raises:
            ValueError: it does not fit.
        """
        if self.kind.startswith(_STRING):
            content = str(value or "").encode("ascii").ljust(2 * self.size, b"\0")
        else:
            number = _ABSENT[self.kind] if value is None else value
            try:
                content = struct.pack(_FORMAT[self.kind], number)
            except struct.error:
                raise ValueError(f"{self.name} cannot be {value}") from None
        if len(content) != 2 * self.size:
            raise ValueError(f"{self.name} cannot be {value!r}")
        return struct.unpack(f">{self.size}H", content)

    def value(self, words: tuple[int, ...]) -> int:
        """The number that registers hold."""
        number: int = struct.unpack(_FORMAT[self.kind], struct.pack(f">{self.size}H", *words))[0]
        return number


def _points(layout: str) -> tuple[Point, ...]:
    points: list[Point] = []
    offset = 2
    for item in layout.split():
        name, _, kind = item.partition(":")
        size = int(kind.removeprefix(_STRING)) // 2 if kind.startswith(_STRING) else struct.calcsize(_FORMAT[kind]) // 2
        points.append(Point(name=name, kind=kind, offset=offset, size=size))
        offset += size
    return tuple(points)


MODELS: Final[Mapping[int, tuple[Point, ...]]] = {model: _points(layout) for model, layout in _LAYOUT.items()}


def length(model: int) -> int:
    """Registers of a model after its ID and L."""
    last = MODELS[model][-1]
    return last.offset + last.size - 2


def model_words(model: int, values: Mapping[str, Value]) -> list[int]:
    """A whole model with its ID and L; points without a value say that the device does not have them.

    Raises:
        ValueError: a value of no point, or one that does not fit.
    """
    unknown = set(values) - {point.name for point in MODELS[model]}
    if unknown:
        raise ValueError(f"model {model} has no {sorted(unknown)}")
    words = [model, length(model)]
    for point in MODELS[model]:
        words += point.words(values.get(point.name))
    return words
