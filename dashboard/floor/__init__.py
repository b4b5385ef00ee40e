"""Builds what everybody sees: the board, its cards, their order and the health of the floor."""
