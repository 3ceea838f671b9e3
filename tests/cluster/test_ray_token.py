from pathlib import Path

from cluster.ray_token import ensure_token


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = ensure_token(tmp_path / "ray" / "auth_token")
    token = path.read_text()
    assert len(token) == 64
    assert mode(path) == 0o600
    path.chmod(0o644)
    assert ensure_token(path).read_text() == token
    assert mode(path) == 0o600
    assert ensure_token(tmp_path / "other").read_text() != token
