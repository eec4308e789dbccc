"""The decisions of this service, pure: no table, no clock, no network."""
