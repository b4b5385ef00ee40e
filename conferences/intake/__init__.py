"""Receives webhooks, verifies them and stores each once."""
