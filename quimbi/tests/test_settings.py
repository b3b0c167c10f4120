"""A deployment that could not speak to Quimbi soundly does not start, and says which variable is wrong."""

import pytest

from supportdesk.tests.security.test_secrets import sound, started

pytestmark = [pytest.mark.slow, pytest.mark.vuln]
KEY = {"QUIMBI_API_KEY": "k-3f9a61"}


def booted(*environments: dict[str, str]) -> list[str]:
    return started(*(sound() | environment for environment in environments))


def test_sound_addresses_start() -> None:
    urls = ["https://quimbi.example.com", "https://quimbi.example.com:8443/base/", "http://127.0.0.1:8123", ""]
    assert booted(*({"QUIMBI_BASE_URL": url, **KEY} for url in urls)) == [""] * len(urls)
    assert booted({}, {"QUIMBI_BASE_URL": " "}) == ["", ""]


def test_an_address_that_would_leak_or_fail_is_refused_and_not_shown() -> None:
    urls = [
        "http://quimbi.example.com",
        "http://127.0.0.1.example.com",
        "http://[::ffff:127.0.0.1]",
        "http://0.0.0.0",
        "https://me:pw@quimbi.example.com",
        "https://quimbi.example.com?x=1",
        "https://quimbi.example.com/#x",
        "https://quimbi.example.com\\@evil.example.com",
        "https://",
        "https://quimbi.example.com:99999",
        "https://quimbi .example.com",
        "https://químbi.example.com",
        "ftp://quimbi.example.com",
        "file:///etc/passwd",
        "//quimbi.example.com",
        "quimbi.example.com",
    ]
    for url, refusal in zip(urls, booted(*({"QUIMBI_BASE_URL": url, **KEY} for url in urls)), strict=True):
        assert "QUIMBI_BASE_URL" in refusal, url
        assert "pw" not in refusal


def test_an_address_without_a_key_is_refused() -> None:
    address = {"QUIMBI_BASE_URL": "https://quimbi.example.com"}
    for refusal in booted(
        address, {**address, "QUIMBI_API_KEY": "  "}, {**address, "QUIMBI_API_KEY": "a\r\nX-Evil: b"}
    ):
        assert "QUIMBI_API_KEY" in refusal


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUIMBI_DIALECT", "klingon"),
        ("QUIMBI_PATHS", "draft=https://evil.example.com/x"),
        ("QUIMBI_PATHS", "draft=//evil.example.com?x"),
        ("QUIMBI_API_KEY_HEADER", "X Key"),
    ],
)
def test_other_values_that_cannot_be_right_are_refused(name: str, value: str) -> None:
    assert name in booted({name: value})[0]
