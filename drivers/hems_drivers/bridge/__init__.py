"""Driver of the firmware bridge, a microcontroller on USB: see firmware-bridge/PROTOCOL.md."""
