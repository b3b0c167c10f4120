"""Drills: the product under rivals, losses and load, on real servers, with counts that must be right.

`python -m supportdesk.tests.chaos DRILL --profile ci|full [--seed N] [--broken VARIANT]` prints one JSON line and ends
with 1 when a count is wrong. `--broken` patches a fault into the drill's own processes, never into the product: a drill
that does not fail then proves nothing.
"""
