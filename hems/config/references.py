"""The step after the schema: every name in the file leads to something, and ids can be made of the names."""

import re
import unicodedata
from collections.abc import Sequence

from hems.config.devices import MAIN_NAME, DeviceEntry, GridMeterEntry, HybridInverterEntry
from hems.config.fields import nearest
from hems.config.finding import Finding
from hems.config.quantity import quoted
from hems.config.schema import SiteFile
from hems.config.tree import Path, Tree


def slug(name: str) -> str:
    """A name as an id: lower-case ASCII letters, digits and hyphens; may be empty."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def device_ids(entry: DeviceEntry) -> tuple[str, ...]:
    """Ids of the devices that an entry becomes: two for a hybrid inverter."""
    base = slug(entry.name)
    return (f"{base}-pv", f"{base}-battery") if isinstance(entry, HybridInverterEntry) else (base,)


def circuit_chain(file: SiteFile, name: str) -> tuple[int, ...]:
    """Indexes of the named circuit and those above it, without the main fuse; a loop ends where it closes."""
    index_by_slug = {slug(circuit.name): index for index, circuit in enumerate(file.circuits)}
    chain: list[int] = []
    while (index := index_by_slug.get(slug(name))) is not None and index not in chain:
        chain.append(index)
        name = file.circuits[index].parent
    return tuple(chain)


def check_references(file: SiteFile, tree: Tree) -> list[Finding]:
    """Every name that leads nowhere, in a circle, or to two things."""
    findings = _device_names(file, tree)
    for index, device in enumerate(file.devices):
        if device.connection not in file.connections:
            path: Path = ("devices", index, "connection")
            findings.append(_unknown(tree, path, device.connection, list(file.connections), "connection"))
    if file.aggregator is not None and file.aggregator.connection not in file.connections:
        path = ("aggregator", "connection")
        findings.append(_unknown(tree, path, file.aggregator.connection, list(file.connections), "connection"))
    if file.grid_operator is not None and file.grid_operator.connection not in file.connections:
        path = ("grid_operator", "connection")
        findings.append(_unknown(tree, path, file.grid_operator.connection, list(file.connections), "connection"))
    # What refers to circuits whose names are wrong would only repeat it.
    return findings + (_circuit_names(file, tree) or _circuit_references(file, tree))


def _circuit_references(file: SiteFile, tree: Tree) -> list[Finding]:
    references: list[tuple[Path, str]] = [
        (("circuits", index, "parent"), circuit.parent) for index, circuit in enumerate(file.circuits)
    ]
    references += [
        (("devices", index, "circuit"), device.circuit)
        for index, device in enumerate(file.devices)
        if not isinstance(device, GridMeterEntry)
    ]
    names = [MAIN_NAME, *(circuit.name for circuit in file.circuits)]
    known = {slug(name) for name in names}
    unknown = [_unknown(tree, path, name, names, "circuit") for path, name in references if slug(name) not in known]
    return unknown + _circuit_loops(file, tree)


def _unknown(tree: Tree, path: Path, name: str, known: Sequence[str], what: str) -> Finding:
    meant = nearest(name, known)
    advice = f"did you mean {quoted(meant)}?" if meant else f"there is {', '.join(map(quoted, known)) or 'none'}"
    return tree.error(path, f"there is no {what} {quoted(name)}", advice)


def _circuit_names(file: SiteFile, tree: Tree) -> list[Finding]:
    findings: list[Finding] = []
    seen: dict[str, int] = {}
    for index, circuit in enumerate(file.circuits):
        path: Path = ("circuits", index, "name")
        name = slug(circuit.name)
        if not name:
            findings.append(tree.error(path, "needs a Latin letter or a digit in its name"))
        elif name == MAIN_NAME:
            findings.append(tree.error(path, '"main" is the main fuse itself', "choose another name"))
        elif name in seen:
            line = tree.place(("circuits", seen[name], "name")).line
            findings.append(tree.error(path, f"two circuits have this name; the first is on line {line}"))
        seen.setdefault(name, index)
    return findings


def _circuit_loops(file: SiteFile, tree: Tree) -> list[Finding]:
    """One finding per circle, at its first circuit in the file."""
    findings: list[Finding] = []
    reported: set[int] = set()
    for index, circuit in enumerate(file.circuits):
        chain = circuit_chain(file, circuit.name)
        last = file.circuits[chain[-1]] if chain else circuit
        closes = bool(chain) and chain[0] == index and slug(last.parent) == slug(circuit.name)
        if closes and index not in reported:
            reported.update(chain)
            names = " is fed by ".join(quoted(file.circuits[each].name) for each in (*chain, index))
            findings.append(
                tree.error(("circuits", index, "parent"), f"runs in a circle: {names}", 'one must be fed by "main"')
            )
    return findings


def _device_names(file: SiteFile, tree: Tree) -> list[Finding]:
    findings: list[Finding] = []
    first_by_id: dict[str, int] = {}
    for index, device in enumerate(file.devices):
        path: Path = ("devices", index, "name")
        if not slug(device.name):
            findings.append(tree.error(path, "needs a Latin letter or a digit in its name"))
            continue
        ids = device_ids(device)
        for taken in [each for each in ids if each in first_by_id][:1]:
            first = file.devices[first_by_id[taken]]
            line = tree.place(("devices", first_by_id[taken], "name")).line
            message = f"two devices are called {quoted(device.name)}; the first is on line {line}"
            if first.name != device.name:
                message = f"too much like {quoted(first.name)} on line {line}: both would be {quoted(taken)}"
            findings.append(tree.error(path, message, "give each its own name"))
        for each in ids:
            first_by_id.setdefault(each, index)
    return findings
