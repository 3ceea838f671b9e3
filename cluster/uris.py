"""Addresses of stores and servers."""

from urllib.parse import urlsplit


def shown(uri: str) -> str:
    """``uri`` as it may be printed: without its password."""
    return masked(uri, uri)


def masked(text: str, uri: str) -> str:
    """``text``, such as an error's, without the password that ``uri`` holds."""
    password = urlsplit(uri).password
    return text.replace(f":{password}@", ":***@") if password else text
