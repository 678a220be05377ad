"""Modbus: one owner per endpoint, and answers that are never another register's."""
