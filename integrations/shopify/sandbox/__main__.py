"""Runs a pretend Shopify with some customers, orders and products."""

import argparse
from collections.abc import Sequence
from threading import Thread

from integrations.shopify.sandbox.deliveries import post
from integrations.shopify.sandbox.server import Sandbox


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m integrations.shopify.sandbox")
    parser.add_argument("--port", type=int, default=0)
    sandbox = Sandbox(parser.parse_args(arguments).port)
    sandbox.told = lambda one: Thread(target=post, args=(one,), daemon=True).start()
    for number in range(1, 31):
        sandbox.add_product(number)
        sandbox.add_customer(7_000_000_000_000 + number)
        sandbox.add_order(6_000_000_000_000 + number, customer_id=7_000_000_000_000 + number)
    print(f"A pretend Shopify: {sandbox.url}/", flush=True)
    sandbox.server.serve_forever()


if __name__ == "__main__":
    main()
