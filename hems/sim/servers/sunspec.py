"""SunSpec maps of the simulated inverter and meter: live values behind the registers of real models.

Unit of the inverter: 1, 103, 120, 121, 123, 124, 160, 802, 122. Power convention of SunSpec: what leaves the inverter
is positive, so ``103 W`` is production and discharge together, and ``802 W`` and ``802 A`` are positive when the
battery discharges. ``160`` has the modules alone. The physics here has no DC side: DC powers are the AC ones.
Unit of the meter: 1 and 203; import is positive.
"""

from collections.abc import Callable, Mapping, Sequence

from hems import __version__
from hems.domain.power import VOLTAGE_V
from hems.sim.servers.inverter import NAMEPLATE_W, RATE_MAX, SETTINGS, HybridInverter, Setting
from hems.sim.servers.living import LivingHouse
from hems.sim.servers.modbus import ILLEGAL_ADDRESS, ILLEGAL_VALUE, RegisterError
from hems.sim.servers.sunspec_models import BASE, END, MARKER, MODELS, Point, Value, length, model_words

PHASE_VOLTAGE_DV = round(VOLTAGE_V * 10)
LINE_VOLTAGE_DV = round(VOLTAGE_V * 3**0.5 * 10)
BATTERY_V, STRING_V = 400, 600
YIELD_BEFORE_WH = 12_345_678
"""What the modules had given when the simulation began."""
ACC32 = 1 << 32
OFF, MPPT, THROTTLED, STANDBY = 1, 4, 5, 8
WORKING = 0b111
"""Connected, available, operating."""
EMPTY, DISCHARGING, CHARGING, FULL, HOLDING = 2, 3, 4, 5, 6
PV_AND_STORAGE, LITHIUM_ION, CONNECTED, REMOTE = 82, 4, 3, 0

Map = dict[int, Mapping[str, Value]]


class ReadOnlyUnit:
    """Registers over a map that is computed once in each house second."""

    def __init__(self, living: LivingHouse, values: Callable[[], Map]) -> None:
        """``values`` gives the models in their order, with what their points say now."""
        self._living = living
        self._values = values
        self._words: list[int] = []
        self._as_of_s: int | None = None

    def read(self, address: int, count: int) -> Sequence[int]:
        """Words of the map. Raises RegisterError outside of it."""
        if self._as_of_s != self._living.house.elapsed_s:
            self._words = _all_words(self._values())
            self._as_of_s = self._living.house.elapsed_s
        offset = address - BASE
        if offset < 0 or offset + count > len(self._words):
            raise RegisterError(ILLEGAL_ADDRESS)
        return self._words[offset : offset + count]

    def write(self, address: int, words: Sequence[int]) -> None:  # noqa: ARG002 - whatever it is
        """Nothing here can be written. Raises RegisterError."""
        raise RegisterError(ILLEGAL_ADDRESS)


def meter_unit(living: LivingHouse) -> ReadOnlyUnit:
    """Three-phase meter of the grid connection: common block and model 203."""
    return ReadOnlyUnit(living, lambda: _meter_values(living))


def _meter_values(living: LivingHouse) -> Map:
    phases_w = living.grid_phase_w
    amps = [round(100 * power_w / VOLTAGE_V) for power_w in phases_w]
    return {
        1: _common("Simulated meter", serial="SIM-METER"),
        203: {
            "A": sum(abs(each) for each in amps), "AphA": amps[0], "AphB": amps[1], "AphC": amps[2], "A_SF": -2,
            **_voltages(PhV=PHASE_VOLTAGE_DV, PPV=LINE_VOLTAGE_DV),
            "PhVphAB": LINE_VOLTAGE_DV, "PhVphBC": LINE_VOLTAGE_DV, "PhVphCA": LINE_VOLTAGE_DV,
            "Hz": 5_000, "Hz_SF": -2,
            "W": round(sum(phases_w)),
            "WphA": round(phases_w[0]), "WphB": round(phases_w[1]), "WphC": round(phases_w[2]), "W_SF": 0,
            "TotWhImp": round(living.import_wh) % ACC32,
            "TotWhExp": round(living.export_wh) % ACC32, "TotWh_SF": 0, "Evt": 0,
        },
    }  # fmt: skip


class InverterUnit(ReadOnlyUnit):
    """Hybrid inverter; what can be written is in ``inverter.SETTINGS``."""

    def __init__(self, living: LivingHouse, inverter: HybridInverter) -> None:
        super().__init__(living, self._models)
        self._inverter = inverter
        self._setting_at = _setting_addresses(self._models())

    def _models(self) -> Map:
        inverter = self._inverter
        set_to: dict[int, dict[str, Value]] = {123: {}, 124: {}}
        for (model, name), value in inverter.settings.items():
            set_to[model][name] = value
        return {
            1: _common("Simulated hybrid 6 kW", serial="SIM-HYBRID"),
            103: self._output(),
            120: {
                "DERTyp": PV_AND_STORAGE, "WRtg": NAMEPLATE_W, "WRtg_SF": 0, "VARtg": NAMEPLATE_W, "VARtg_SF": 0,
                "VArRtgQ1": 0, "VArRtgQ2": 0, "VArRtgQ3": 0, "VArRtgQ4": 0, "VArRtg_SF": 0,
                "ARtg": round(10 * NAMEPLATE_W / 3 / VOLTAGE_V), "ARtg_SF": -1,
                "PFRtgQ1": 100, "PFRtgQ2": 100, "PFRtgQ3": -100, "PFRtgQ4": -100, "PFRtg_SF": -2,
                "WHRtg": round(inverter.battery.capacity_wh), "WHRtg_SF": 0,
                "MaxChaRte": round(inverter.battery.charge_power_max_w), "MaxChaRte_SF": 0,
                "MaxDisChaRte": round(inverter.battery.discharge_power_max_w), "MaxDisChaRte_SF": 0,
            },
            121: {
                "WMax": NAMEPLATE_W, "WMax_SF": 0, "VRef": round(VOLTAGE_V), "VRef_SF": 0,
                "VRefOfs": 0, "VRefOfs_SF": 0,
            },
            123: {
                **set_to[123], "WMaxLimPct_SF": -2, "OutPFSet": 100, "OutPFSet_SF": -2, "OutPFSet_Ena": 0,
                "VArPct_Ena": 0, "VArPct_SF": 0,
            },
            124: {**set_to[124], **self._storage()},
            160: self._strings(),
            802: self._battery(),
            122: {
                "PVConn": WORKING, "StorConn": WORKING,
                "ECPConn": 0 if self._living.house.is_cut_off else 1, "ActWh": YIELD_BEFORE_WH,
            },
        }  # fmt: skip

    def write(self, address: int, words: Sequence[int]) -> None:
        """Change settings, all at once or none. Raises RegisterError."""
        changes: dict[Setting, int] = {}
        for offset, word in enumerate(words):
            place = self._setting_at.get(address + offset)
            if place is None:
                raise RegisterError(ILLEGAL_ADDRESS)
            setting, point = place
            value = point.value((word,))
            lowest, highest = SETTINGS[setting]
            if not lowest <= value <= highest:
                raise RegisterError(ILLEGAL_VALUE)
            changes[setting] = value
        self._inverter.set(changes)
        self._as_of_s = None

    def _output(self) -> Mapping[str, Value]:
        inverter = self._inverter
        produced_w = -inverter.pv_power_w
        out_w = round(produced_w - inverter.battery_power_w)
        each_ca = round(abs(out_w) / 3 / VOLTAGE_V * 100)
        limited = inverter.production_limit_w() is not None
        return {
            "A": 3 * each_ca, "AphA": each_ca, "AphB": each_ca, "AphC": each_ca, "A_SF": -2,
            **_voltages(), "W": out_w, "W_SF": 0, "Hz": 5_000, "Hz_SF": -2,
            "WH": round(YIELD_BEFORE_WH + inverter.yield_wh) % ACC32, "WH_SF": 0,
            "DCW": round(produced_w), "DCW_SF": 0, "TmpCab": 350, "Tmp_SF": -1,
            "St": STANDBY if produced_w < 1 else THROTTLED if limited else MPPT, "Evt1": 0, "Evt2": 0,
        }  # fmt: skip

    def _strings(self) -> Mapping[str, Value]:
        produced_w = -self._inverter.pv_power_w
        return {
            "DCA_SF": -2, "DCV_SF": 0, "DCW_SF": 0, "DCWH_SF": 0, "Evt": 0, "N": 1,
            "module_ID": 1, "module_IDStr": "Roof", "module_DCA": round(100 * produced_w / STRING_V),
            "module_DCV": STRING_V, "module_DCW": round(produced_w),
            "module_DCWH": round(YIELD_BEFORE_WH + self._inverter.yield_wh) % ACC32,
            "module_DCSt": STANDBY if produced_w < 1 else MPPT, "module_DCEvt": 0,
        }  # fmt: skip

    def _charge_state(self) -> tuple[int, int]:
        """State of charge in hundredths of a percent, and ChaSt."""
        inverter = self._inverter
        battery = self._living.house.batteries[inverter.battery.id]
        soc = round(RATE_MAX * battery.stored_wh / inverter.battery.capacity_wh)
        if abs(battery.power_w) >= 1:
            return soc, CHARGING if battery.power_w > 0 else DISCHARGING
        if battery.discharge_power_max_w() == 0:
            return soc, EMPTY
        return soc, FULL if battery.charge_power_max_w() == 0 else HOLDING

    def _storage(self) -> Mapping[str, Value]:
        soc, state = self._charge_state()
        return {
            "WChaMax": round(self._inverter.rate_w), "WChaMax_SF": 0,
            "WChaGra": 100, "WDisChaGra": 100, "WChaDisChaGra_SF": 0, "MinRsvPct_SF": -2,
            "ChaState": soc, "ChaState_SF": -2, "ChaSt": state,
            "InBatV": BATTERY_V, "InBatV_SF": 0, "InOutWRte_SF": -2,
        }  # fmt: skip

    def _battery(self) -> Mapping[str, Value]:
        battery = self._living.house.batteries[self._inverter.battery.id]
        soc, state = self._charge_state()
        return {
            "AHRtg": round(self._inverter.battery.capacity_wh / BATTERY_V), "AHRtg_SF": 0,
            "WHRtg": round(self._inverter.battery.capacity_wh), "WHRtg_SF": 0,
            "WChaRteMax": round(self._inverter.battery.charge_power_max_w),
            "WDisChaRteMax": round(self._inverter.battery.discharge_power_max_w), "WChaDisChaMax_SF": 0,
            "SoC": soc, "SoC_SF": -2, "SoH": 1_000, "SoH_SF": -1, "NCyc": 321, "ChaSt": state,
            "LocRemCtl": REMOTE, "AlmRst": 0, "Typ": LITHIUM_ION, "State": CONNECTED,
            "Evt1": 0, "Evt2": 0, "EvtVnd1": 0, "EvtVnd2": 0,
            "V": BATTERY_V, "V_SF": 0, "CellV_SF": -3,
            "A": round(-10 * battery.power_w / BATTERY_V), "A_SF": -1,
            "AChaMax": round(10 * battery.charge_power_max_w() / BATTERY_V),
            "ADisChaMax": round(10 * battery.discharge_power_max_w() / BATTERY_V), "AMax_SF": -1,
            "W": round(-battery.power_w), "W_SF": 0, "SetOp": 1, "SetInvState": 3,
        }  # fmt: skip


def _common(model: str, *, serial: str) -> Mapping[str, Value]:
    return {"Mn": "hems simulated", "Md": model, "Vr": __version__[:16], "SN": serial, "DA": 1}


def _voltages(**more_dv: int) -> Mapping[str, Value]:
    return {**dict.fromkeys(("PhVphA", "PhVphB", "PhVphC"), PHASE_VOLTAGE_DV), **more_dv, "V_SF": -1}


def _all_words(values: Map) -> list[int]:
    words = list(MARKER)
    for model, points in values.items():
        words += model_words(model, points)
    return [*words, *END]


def _setting_addresses(values: Map) -> dict[int, tuple[Setting, Point]]:
    """Register of each setting; all have one."""
    found: dict[int, tuple[Setting, Point]] = {}
    start = BASE + len(MARKER)
    for model in values:
        found |= {
            start + point.offset: ((model, point.name), point)
            for point in MODELS[model]
            if (model, point.name) in SETTINGS
        }
        start += 2 + length(model)
    return found
