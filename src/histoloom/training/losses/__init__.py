"""Losses that several systems share."""
