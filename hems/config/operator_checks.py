"""Cross-checks of the grid operator's section."""

from collections.abc import Iterator

from hems.config.build import build
from hems.config.build_operator import minimum_w
from hems.config.finding import Finding
from hems.config.quantity import quoted
from hems.config.schema import Http, Mqtt, SiteFile
from hems.config.tree import Path, Tree
from hems.domain.section_14a import dimmed, guaranteed_power_w


def check_operator(file: SiteFile, tree: Tree) -> Iterator[Finding]:
    """Everything about the operator's limits that does not fit together."""
    entry = file.grid_operator
    if entry is None:
        return
    connection = file.connections[entry.connection]
    if not isinstance(connection, Mqtt | Http):
        message = f"{quoted(entry.connection)} is of type {connection.type}, which tells no limits"
        yield tree.error(("grid_operator", "connection"), message, "give it a connection of type mqtt or http")
    elif isinstance(connection, Http) and entry.heartbeat is not None:
        message = "belongs to a broker; of a box that is asked each answer is a sign of life"
        yield tree.error(("grid_operator", "heartbeat"), message, "delete it", at_key=True)
    if entry.consumption is None and entry.production is None:
        advice = 'for example "consumption: {contact: {state: input/0#state}}"'
        yield tree.error(("grid_operator",), "says nothing that may be limited", advice, at_key=True)
    if entry.consumption is not None:
        yield from _consumption(file, tree)
    if entry.production is not None:
        path: Path = ("grid_operator", "production")
        if (entry.production.limit is None) == (not entry.production.contacts):
            yield tree.error(
                path, "needs either a limit or contacts", 'for example "limit: box/lpp#limit_w"', at_key=True
            )
        if not build(file).pv:
            yield tree.error(path, "there are no modules whose feed-in could be limited", "delete it", at_key=True)


def _consumption(file: SiteFile, tree: Tree) -> Iterator[Finding]:
    assert file.grid_operator is not None
    entry = file.grid_operator.consumption
    assert entry is not None
    path: Path = ("grid_operator", "consumption")
    if (entry.limit is None) == (entry.contact is None):
        advice = 'for example "contact: {state: input/0#state}"'
        yield tree.error(path, "needs either a limit or a contact", advice, at_key=True)
    site = build(file)
    covered = dimmed(site.controllables)
    if entry.covers == "devices" and not covered:
        message = "no charger, heat pump or battery draws more than 4.2 kW, so there is nothing to limit"
        yield tree.error(path, message, 'delete it, or write "covers: connection"', at_key=True)
        return
    if entry.covers == "connection" and entry.contact is not None and entry.minimum is None:
        message = "the contact does not say how much the house may draw"
        yield tree.error(path, message, 'add "minimum: 4.2 kW", as the operator told it', at_key=True)
    least_w = minimum_w(entry, site)
    by_law_w = guaranteed_power_w(covered)
    if entry.covers == "devices" and entry.minimum is not None and least_w < by_law_w - 1.0:
        message = f"is less than the {by_law_w / 1000:g} kW that section 14a leaves to {len(covered)} devices"
        yield tree.warning((*path, "minimum"), message, "ask the operator")
    if entry.failsafe is not None and entry.failsafe < least_w:
        message = f"is below the minimum of {least_w / 1000:g} kW, which holds instead"
        yield tree.warning((*path, "failsafe"), message, "delete it")
