"""Addresses of stores and servers."""

from urllib.parse import urlsplit


def shown(uri: str) -> str:
    """``uri`` as it may be printed: without its password."""
    password = urlsplit(uri).password
    return uri.replace(f":{password}@", ":***@") if password else uri
