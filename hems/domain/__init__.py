"""Values and physics of one house: standard library only, no clock, no I/O."""
