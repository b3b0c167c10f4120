"""A Gorgias of our own on this machine, as strict as theirs: for tests, drills and the demo.

`python -m integrations.gorgias.sandbox --port 8032` keeps tickets, shows them at `/`, lets a visitor write as a
customer there, and calls the HTTP integrations that are registered. Failures can be scripted, every request is noted,
and what a customer would have been mailed stands in `mailed`.
"""
