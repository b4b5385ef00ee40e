"""Adapts django-allauth, whose flows sign people in: its forms, its throttle, its second factors."""
