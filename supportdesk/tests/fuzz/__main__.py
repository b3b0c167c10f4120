"""`python -m supportdesk.tests.fuzz`: Schemathesis against the web server, on the demo's data in a database of its own.

Exits with 1 when anything fails: an answer that is a 5xx or not as documented, a broken promise of the document, a
route that serves without a credential.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quimbi.sandbox import Sandbox
from supportdesk.core.devservices import Unsupported, processes, throwaway
from supportdesk.core.devservices.state import fresh_secrets

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
CONFIG = Path(__file__).with_name("schemathesis.toml")
SEED = 20_260_105
QUIMBI_KEY = "the-key-of-tests"  # of settings.test
PATIENCE = 30.0  # seconds for the server to answer
IDENTITIES = ("agent", "supervisor", "machine", "admin")
EVERY_PHASE = ("examples", "coverage", "fuzzing", "stateful")


@dataclass(frozen=True, kw_only=True)
class Attack:
    """What one identity tries, on all operations or on some."""

    identity: str
    phases: tuple[str, ...]
    part: str = ""
    operations: tuple[str, ...] = ()  # as Schemathesis' filter says it

    @property
    def name(self) -> str:
        return f"{self.identity} {self.part}".rstrip()


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How thoroughly it is tried. Coverage, every border of every parameter, finds most for its time."""

    examples: int  # per operation, at most
    scenarios: int  # of calls that build on each other, at most
    lanes: tuple[tuple[Attack, ...], ...]  # go on side by side
    odd_methods: bool  # asks each path by the methods that the document does not name

    @property
    def configuration(self) -> str:
        return CONFIG.read_text() + (
            f"\n[phases.fuzzing.generation]\nmax-examples = {self.examples}\n"
            f"\n[phases.stateful.generation]\nmax-examples = {self.scenarios}\n"
            + ("" if self.odd_methods else "\n[phases.coverage]\nunexpected-methods = []\n")
        )


# Only one lane changes records, so that no two wait for each other's rows.
PROFILES = {
    "ci": Profile(
        examples=1,
        scenarios=10,
        lanes=(
            (Attack(identity="admin", part="reads", operations=("--include-method", "GET"), phases=("coverage",)),),
            (
                *(Attack(identity=one, phases=("examples", "stateful")) for one in IDENTITIES),
                Attack(identity="admin", part="writes", operations=("--exclude-method", "GET"), phases=("coverage",)),
            ),
        ),
        odd_methods=False,
    ),
    "full": Profile(
        examples=25,
        scenarios=80,
        lanes=(tuple(Attack(identity=one, phases=EVERY_PHASE) for one in IDENTITIES),),
        odd_methods=True,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one attack found, from Schemathesis' own report."""

    attack: str
    cases: int
    operations: int
    failures: dict[str, int]
    complete: bool

    @property
    def passed(self) -> bool:
        return self.complete and self.cases > 0 and not self.failures


def main() -> int:
    parser = argparse.ArgumentParser(prog="supportdesk.tests.fuzz", description=__doc__)
    parser.add_argument("--profile", choices=PROFILES, default="ci")
    parser.add_argument("--identity", choices=IDENTITIES, help="only this one")
    chosen = parser.parse_args()
    profile = PROFILES[chosen.profile]
    try:
        _use_own_servers()
    except Unsupported as problem:
        print(problem, file=sys.stderr)
        return 1
    _manage("migrate", "--verbosity", "0")
    _manage("load_demo")
    lanes = [[attack for attack in lane if chosen.identity in (None, attack.identity)] for lane in profile.lanes]
    with tempfile.TemporaryDirectory() as folder, _quimbi(), _server(Path(folder)) as site:
        Path(folder, "schemathesis.toml").write_text(profile.configuration)

        def attack_all(lane: Sequence[Attack]) -> list[Verdict]:
            return [carry_out(attack, site, Path(folder)) for attack in lane]

        with ThreadPoolExecutor(len(lanes)) as pool:
            verdicts = [verdict for found in pool.map(attack_all, lanes) for verdict in found]
    print("\n".join(summary(verdicts)))
    return 0 if all(verdict.passed for verdict in verdicts) else 1


def carry_out(attack: Attack, site: str, folder: Path) -> Verdict:
    report = folder / f"{attack.name}.json"
    print(f"As {attack.name} …", flush=True)
    command: list[str | Path] = [
        *(BIN / "schemathesis", "--config-file", folder / "schemathesis.toml", "run", f"{site}/api/schema"),
        *("--seed", str(SEED), "--phases", ",".join(attack.phases), *attack.operations),
        *("--no-color", "--report", "json", "--report-json-path", report),
    ]
    environment = os.environ | {"SUPPORTDESK_FUZZ_IDENTITY": attack.identity}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    verdict = verdict_of(attack.name, json.loads(report.read_text()) if report.exists() else {}, done.returncode)
    if not verdict.passed:
        print(done.stdout)
    return verdict


def verdict_of(attack: str, report: dict[str, Any], code: int) -> Verdict:
    """A run that broke off, or that reports less than it signals, has failed."""
    failures = {f"{group['code']} {group['title']}": int(group["count"]) for group in report.get("failures", ())}
    failures |= {group["title"]: int(group["count"]) for group in report.get("errors", ())}
    if code and not failures:
        failures["Schemathesis ended with code"] = code
    return Verdict(
        attack=attack,
        cases=report.get("test_cases", {}).get("generated", 0),
        operations=(report.get("operations") or {}).get("tested", 0),
        failures=failures,
        complete=bool(report.get("complete")),
    )


def summary(verdicts: list[Verdict]) -> Iterator[str]:
    yield f"{'':<13}{'operations':>10}{'cases':>8}{'failures':>10}"
    for verdict in verdicts:
        found = sum(verdict.failures.values())
        yield f"{verdict.attack:<13}{verdict.operations:>10}{verdict.cases:>8}{found:>10}"
        yield from (f"    {title}: {count}" for title, count in verdict.failures.items())
        if not verdict.complete:
            yield "    did not run to its end"
    cases = sum(verdict.cases for verdict in verdicts)
    yield f"{cases} cases, {sum(sum(verdict.failures.values()) for verdict in verdicts)} failures."


def _use_own_servers() -> None:
    stack = throwaway.start()
    os.environ.update(fresh_secrets())
    os.environ.update(
        SUPPORTDESK_ENV="test",
        DJANGO_SETTINGS_MODULE="supportdesk.settings.test",  # rates beyond any fuzzer, passwords that cost little
        DATABASE_URL=stack.database_url,
        SUPPORTDESK_MIGRATION_DATABASE_URL=stack.migration_database_url,
        REDIS_URL=stack.redis_url,
        PYTHONPATH=str(ROOT),
    )


@contextmanager
def _quimbi() -> Iterator[None]:
    """The sandbox, asked as often as the attack wants: without Quimbi a draft is a 503, as the document says."""
    rates = ("QUIMBI_CALLS_PER_MINUTE", "QUIMBI_CALLS_PER_HOUR", "QUIMBI_REFRESHES_PER_MINUTE")
    with Sandbox(key=QUIMBI_KEY) as sandbox:
        os.environ.update(dict.fromkeys(rates, "1000000"), SUPPORTDESK_TEST_QUIMBI_URL=sandbox.url)
        yield


def _manage(*arguments: str) -> None:
    subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, check=True)


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """The address of the product under its own web server. Its log is shown if it does not start."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "web.log"
    granian: list[str | Path] = [BIN / "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    web = processes.start(
        [*granian, "--blocking-threads", "4", "supportdesk.wsgi:application"],
        log=log,
        on_parent_death=signal.SIGTERM,
        cwd=ROOT,
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if web.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"The web server does not answer:\n{log.read_text(errors='replace')}")
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        processes.stop(web, signal.SIGTERM, patience=10)


if __name__ == "__main__":
    sys.exit(main())
