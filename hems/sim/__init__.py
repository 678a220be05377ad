"""A whole house in virtual time: measured data in, the same tick, planner and guard, truth and checkers around."""
