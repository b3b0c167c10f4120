"""What partners send, read."""

import pytest

from integrations.reading import Unreadable, external_id, read_object


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (812345678901234569, "812345678901234569"),
        ("812345678901234569", "812345678901234569"),
        ("gid://shopify/Order/812345678901234569", "812345678901234569"),
        (0, "0"),
    ],
)
def test_an_id_is_text_whatever_it_came_as(value: object, text: str) -> None:
    assert external_id(value) == text


@pytest.mark.vuln
@pytest.mark.parametrize(
    "value",
    [
        True,
        None,
        1.0,
        8.123456789012346e17,
        -1,
        "",
        "1.5",
        "1e3",
        "x",
        "gid://shopify/Order/",
        "gid://a/b/1\n",
        "\uff11",
        [1],
    ],
)
def test_what_may_have_lost_digits_or_is_none_is_no_id(value: object) -> None:
    with pytest.raises(Unreadable):
        external_id(value)


@pytest.mark.parametrize("raw", [b'{"a": 1}', b'\xef\xbb\xbf{"a": 1}', '{"a": 1}'.encode("utf-16"), b' {"a":\n1} '])
def test_an_object_is_read_in_whatever_unicode(raw: bytes) -> None:
    assert read_object(raw) == {"a": 1}


@pytest.mark.vuln
@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"null", b"[1]", b'"x"', b"{", b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": 1e400}', b"\x80\x81"),
        *(b"[" * 100_000, b'{"a":' * 100_000, b'{"a": ' + b"1" * 10_000 + b"}"),
    ],
)
def test_anything_else_is_refused_and_breaks_nothing(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        read_object(raw)
