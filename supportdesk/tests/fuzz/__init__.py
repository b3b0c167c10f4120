"""Schemathesis over the whole API, as an agent, a supervisor, an administrator and a machine: `make fuzz`."""
