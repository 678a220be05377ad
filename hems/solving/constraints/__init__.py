"""The house as a program, one file per family: columns, rows and costs, written as arrays."""
