"""Starts Floorline's processes on one machine and stops them."""
