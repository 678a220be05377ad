"""What the household wants while the grid has failed and a battery feeds the house."""

from hems.config.fields import Model, Reference
from hems.config.quantity import Percent, Power


class BackupLoadEntry(Model):
    """A charger or heat pump that may run then."""

    device: Reference
    down_to: Percent
    """As long as the battery holds this much; stopped for that, it starts again at 5 % more."""


class BackupEntry(Model):
    """Without it chargers and heat pumps rest as long as the grid is gone."""

    max_power: Power | None = None
    """Most that the inverter gives without a grid. Default: what its battery gives."""
    runs: tuple[BackupLoadEntry, ...] = ()
    """The most important first: where the inverter cannot feed all, the last ones rest."""
