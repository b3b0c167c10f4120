"""Runs a pretend Gorgias, and makes the calls of its integrations."""

import argparse
import os
import time

from integrations.gorgias.sandbox.answers import register
from integrations.gorgias.sandbox.credentials import SECRET
from integrations.gorgias.sandbox.server import Sandbox


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m integrations.gorgias.sandbox")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--calls", default="", help=f"an address that is called, with what {SECRET} holds")
    given = parser.parse_args()
    sandbox = Sandbox(given.port, limit=80, first=int(time.time()))  # ids that no earlier one gave
    if given.calls:
        register(sandbox, given.calls, os.environ.get(SECRET, ""))
    sandbox.start()
    print(f"A pretend Gorgias: {sandbox.url}/", flush=True)
    while True:
        time.sleep(0.3)
        sandbox.deliver()


if __name__ == "__main__":
    main()
