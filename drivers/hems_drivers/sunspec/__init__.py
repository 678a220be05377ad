"""SunSpec: devices that carry a description of their own registers."""
