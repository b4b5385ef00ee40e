"""Holds how dates are written, by language; Django asks here first."""
