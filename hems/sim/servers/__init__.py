"""A simulated house behind real servers: its devices answer over their own protocols on loopback, in house time."""
