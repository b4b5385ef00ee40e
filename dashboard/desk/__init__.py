"""Builds what one viewer sees beside the board: the open conference, the own ear, notes."""
