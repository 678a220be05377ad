"""Planning problems as arrays for MathOpt: the only room with ortools. kW, kWh and EUR inside."""
