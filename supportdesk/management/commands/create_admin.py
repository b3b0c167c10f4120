"""The first administrator of a new installation; further agents are made by them."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import EmailValidator
from django.utils import timezone

from agents import services
from agents.enums import Role
from supportdesk.core.actor import Door, system
from supportdesk.core.errors import DomainError


class Command(BaseCommand):
    help = "Creates an administrator. The password is asked for, or read from standard input without a terminal."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", default="Administrator")

    def handle(self, *args: Any, **options: Any) -> None:
        email = options["email"].strip()
        try:
            EmailValidator()(email)
        except ValidationError:
            raise CommandError(f"{email} is not an e-mail address.") from None
        try:
            agent = services.create_agent(
                email=email,
                name=options["name"],
                password=self._password(),
                role=Role.ADMIN,
                by=system("create_admin", origin=Door.COMMAND),
                now=timezone.now(),
            )
        except DomainError as problem:
            raise CommandError(problem.detail) from None
        self.stdout.write(f"Created administrator {agent.email} with id {agent.pk}.")

    def _password(self) -> str:
        """Never from the command line, where other users of the machine could read it."""
        if not sys.stdin.isatty():
            return sys.stdin.readline().rstrip("\n")
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise CommandError("The two passwords differ.")
        return password
