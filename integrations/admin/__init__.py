"""Connections and what comes over them, in the admin."""

from integrations.admin import accounts, records

__all__ = ["accounts", "records"]
