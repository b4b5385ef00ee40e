"""Stores how a viewer likes the page: keys and saved views."""
