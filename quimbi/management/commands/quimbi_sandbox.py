"""Runs the sandbox: a Quimbi on loopback whose every answer is made up."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from quimbi.sandbox import KEY, PLAYS, WELL, Sandbox

UNKNOWN = 0.1  # of customers, without a profile


class Command(BaseCommand):
    help = "A Quimbi on loopback for trying the product: speaks both dialects, and every answer is made up."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8123)
        parser.add_argument("--key", default=KEY, help=f"that callers must send ({KEY})")
        parser.add_argument("--play", choices=PLAYS, default=WELL, help="how it fails, if it is to")
        parser.add_argument("--seconds", type=float, default=10.0, help="how long slow, hang, drip and flapping take")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            sandbox = Sandbox(port=options["port"], key=options["key"], unknown=UNKNOWN, remembers=0)
        except (OSError, OverflowError) as problem:
            raise CommandError(f"Port {options['port']}: {problem}.") from None
        with sandbox:
            sandbox.play(options["play"], seconds=options["seconds"])
            self.stdout.write(f"Simulated Quimbi at {sandbox.url} (QUIMBI_BASE_URL), key {options['key']}.")
            self.stdout.flush()
            try:
                while True:
                    time.sleep(3_600)
            except KeyboardInterrupt:
                self.stdout.write("")
