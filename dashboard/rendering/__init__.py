"""Renders read models to HTML fragments, for pages, answers and streams alike."""
