"""Holds how dates are written in English."""
