"""A process that guesses passwords through both doors, on threads of its own: `python -m` this, by test_bruteforce.

Says as JSON how often a password was really checked, and which answers came. Each thread claims another address.
"""

import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.test import Client
from django.test.utils import setup_test_environment

THREADS = 5
_encode = MD5PasswordHasher.encode
hashed: list[str] = []  # appending is atomic


def counting(self: MD5PasswordHasher, password: str, salt: str) -> str:
    hashed.append(password)
    return _encode(self, password, salt)


def guess(email: str, number: int) -> int:
    claimed = f"203.0.{number % 256}.{number % 199}"
    headers = {"X-Forwarded-For": claimed, "X-Real-IP": claimed, "Forwarded": f"for={claimed}"}
    client = Client(headers=headers, REMOTE_ADDR="198.51.100.7")
    email = email.upper() if number % 2 else f" {email}"
    answer: Any
    if number % 3:
        given = {"email": email, "password": f"guess {number}"}
        answer = client.post("/api/auth/login", given, content_type="application/json")
    else:
        answer = client.post("/admin/login/", {"username": email, "password": f"guess {number}"})
    return int(answer.status_code)


def main(email: str, guesses: int) -> None:
    MD5PasswordHasher.encode = counting  # type: ignore[method-assign,assignment]

    def worker(first: int) -> list[int]:
        try:
            return [guess(email, number) for number in range(first, guesses, THREADS)]
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        statuses = Counter(status for answers in pool.map(worker, range(THREADS)) for status in answers)
    checks = sum(1 for password in hashed if password.startswith("guess"))
    print(json.dumps({"checks": checks, "statuses": statuses}))


if __name__ == "__main__":
    django.setup()
    setup_test_environment()  # lets the client's host in
    main(sys.argv[1], int(sys.argv[2]))
