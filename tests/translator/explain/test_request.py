"""Requests are read as clients send them, and refused with the way out where no client could."""

from __future__ import annotations

import pytest

from translator.explain.request import Header, Request, RequestError, parse_request


def test_a_url_is_what_a_client_sends() -> None:
    """Scheme, port, TLS server name, Host and path follow from the URL; a fragment stays with the client."""
    assert parse_request("get", "https://Shop.Example.com:8443/a/b?x=1#top") == Request(
        "GET", "https", "shop.example.com", 8443, "shop.example.com:8443", "/a/b?x=1"
    )


@pytest.mark.parametrize(
    ("url", "port", "host", "server_name"),
    [
        ("http://example.com", 80, "example.com", "example.com"),
        ("http://example.com:80/", 80, "example.com", "example.com"),
        ("https://example.com.:443/", 443, "example.com.", "example.com"),
        ("https://127.0.0.1:8443/", 8443, "127.0.0.1:8443", ""),
        ("http://[::1]:8080/", 8080, "[::1]:8080", ""),
        ("https://bücher.example/", 443, "xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_the_host_names_the_port_unless_it_is_the_default(url: str, port: int, host: str, server_name: str) -> None:
    """The default port of the scheme is not in the Host; an IP address is no TLS server name."""
    found = parse_request("GET", url)
    assert (found.port, found.host, found.path, found.server_name) == (port, host, "/", server_name)


def test_a_host_header_is_not_the_server_name() -> None:
    """A Host takes the place of the URL's in the request, and leaves the TLS server name as it is."""
    found = parse_request("GET", "https://10.0.0.1/", ["Host: shop.example.com", "Accept:  text/html "])
    assert (found.host, found.server_name) == ("shop.example.com", "")
    assert found.headers == (Header("accept", "text/html"),)


def test_a_body_is_sent_as_curl_does() -> None:
    """A body brings its length and, if there is none, the type of forms; a user in the URL brings a login."""
    found = parse_request("POST", "http://a:b@example.com/", ["X: y"], 3)
    assert dict(found.headers) == {
        "x": "y",
        "authorization": "Basic YTpi",
        "content-type": "application/x-www-form-urlencoded",
        "content-length": "3",
    }
    assert dict(parse_request("POST", "http://e.test/", ["content-type: a/b"], 0).headers)["content-type"] == "a/b"


def test_what_is_not_ascii_is_escaped() -> None:
    """A path is sent in ASCII, and what is escaped already stays as it is."""
    assert parse_request("GET", "http://example.com/é/%20?q=ü").path == "/%C3%A9/%20?q=%C3%BC"


@pytest.mark.parametrize(
    ("method", "url", "headers", "expected"),
    [
        ("GET", "example.com/a", [], "'example.com/a' has no scheme: write http://example.com/a or https"),
        ("GET", "localhost:8080", [], "has no scheme"),
        ("GET", "ftp://example.com/", [], "the scheme ftp is not http or https"),
        ("GET", "http:///a", [], "names no host"),
        ("GET", "http://example.com:x/", [], "the port is not a number"),
        ("GET", "http://example.com:0/", [], "the port is not a number"),
        ("GET", "http://example.com:99999/", [], "the port is not a number"),
        ("GET", "http://example.com/a b", [], "write %20 for a blank"),
        ("GET", "http://[::1/", [], "is not a URL"),
        ("GE T", "http://example.com/", [], "'GE T' is not a method"),
        ("CONNECT", "http://example.com/", [], "CONNECT are not explained"),
        ("GET", "http://example.com/", ["accept"], "'accept' is not a header: write 'NAME: VALUE'"),
        ("GET", "http://example.com/", [": x"], "is not a header"),
        ("GET", "http://example.com/", ["a b: x"], "is not a header"),
        ("GET", "http://example.com/", ["a: x\ny"], "control character"),
    ],
)
def test_what_no_client_could_send_is_refused(method: str, url: str, headers: list[str], expected: str) -> None:
    """The message quotes what is wrong and says what to write instead."""
    with pytest.raises(RequestError) as error:
        parse_request(method, url, headers)
    assert expected in str(error.value)
