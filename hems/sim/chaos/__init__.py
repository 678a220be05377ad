"""Houses under injected faults, judged from outside (``hems chaos``)."""
