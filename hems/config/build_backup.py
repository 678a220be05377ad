"""The backup section as the domain's, and what in it does not fit the devices."""

from collections.abc import Iterator

from hems.config.devices import BatteryEntry, ChargerEntry, DeviceEntry, HeatPumpEntry, HybridInverterEntry
from hems.config.fields import nearest
from hems.config.finding import Finding
from hems.config.quantity import quoted
from hems.config.references import slug
from hems.config.schema import SiteFile
from hems.config.tree import Path, Tree
from hems.domain.site import Backup, BackupLoad, DeviceId


def build_backup(file: SiteFile) -> Backup:
    """What runs while the grid has failed; the file has passed every check."""
    entry = file.backup
    if entry is None:
        return Backup()
    loads = (BackupLoad(device_id=DeviceId(slug(each.device)), soc_min_pct=each.down_to) for each in entry.runs)
    return Backup(power_max_w=entry.max_power, loads=tuple(loads))


def check_backup(file: SiteFile, tree: Tree) -> Iterator[Finding]:
    """Everything about it that does not fit together."""
    entry = file.backup
    if entry is None:
        return
    floors_pct = [floor for each in file.devices if (floor := _floor_pct(each)) is not None]
    if not floors_pct:
        yield tree.error(("backup",), "there is no battery that could feed the house", "delete it", at_key=True)
        return
    names = [each.name for each in file.devices if isinstance(each, ChargerEntry | HeatPumpEntry)]
    first_at: dict[str, int] = {}
    for index, load in enumerate(entry.runs):
        path: Path = ("backup", "runs", index)
        name = slug(load.device)
        if name not in {slug(each) for each in names}:
            meant = nearest(load.device, names)
            known = f"there is {', '.join(map(quoted, names)) or 'none'}"
            message = f"there is no charger or heat pump {quoted(load.device)}"
            yield tree.error((*path, "device"), message, f"did you mean {quoted(meant)}?" if meant else known)
        elif name in first_at:
            line = tree.place(("backup", "runs", first_at[name], "device")).line
            yield tree.error((*path, "device"), f"stands on line {line} already", "delete one of them")
        if load.down_to <= min(floors_pct):
            message = f"the battery is empty for the house at {min(floors_pct):g} %: nothing would be kept"
            yield tree.warning((*path, "down_to"), message, "write more, for what must not go dark")
        first_at.setdefault(name, index)


def _floor_pct(device: DeviceEntry) -> float | None:
    """Lower end of the window of a battery; None: it is none."""
    match device:
        case BatteryEntry():
            return device.window.lower
        case HybridInverterEntry():
            return device.battery.window.lower
        case _:
            return None
