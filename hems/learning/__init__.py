"""Forecasts that need arrays, for the workers and the simulator: the daemon's process never imports them."""
