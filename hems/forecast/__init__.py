"""What the house expects of its load, its sun and the market: pure functions of what was measured and published."""
