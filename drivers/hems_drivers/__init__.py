"""Device drivers: reads are data (profiles), control sequences are code."""
