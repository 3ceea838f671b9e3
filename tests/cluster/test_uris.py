from cluster.uris import masked, shown


def test_a_password_is_not_shown() -> None:
    uri = "postgresql://me:secret@host/db"
    assert shown(uri) == "postgresql://me:***@host/db"
    assert (
        masked(f"no answer from {uri}, secret or not", uri)
        == "no answer from postgresql://me:***@host/db, secret or not"
    )


def test_other_addresses_stay_as_they_are() -> None:
    for uri in ("sqlite:////a:b@c/mlflow.db", "http://me@host:5000", "http://host"):
        assert shown(uri) == uri
