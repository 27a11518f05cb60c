"""W&B's settings and key, and that the key is shown to nobody."""

from pathlib import Path

import pytest

from ninja.commands.doctor import line
from ninja.doctor import tracker
from tests.wandb_server import KEY


def report() -> dict[str, str]:
    return {check.name: line(check) for check in tracker.wandb()}


def test_a_key_from_the_environment(tmp_path: Path) -> None:
    found = report()
    said = "ok    W&B             tracker=offline unless told; server http://127.0.0.1:9"
    assert found["W&B"] == said
    assert found["W&B's key"] == "ok    W&B's key       there is one"
    assert found["W&B's folder"].startswith(f"ok    W&B's folder    '{tmp_path / 'home'}'")


def test_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    assert report()["W&B's key"] == (
        "note  W&B's key       none; only tracker=online and make sync need one: "
        "set WANDB_API_KEY, or run wandb login"
    )


@pytest.mark.parametrize("server", ["http://127.0.0.1:9", "https://api.example.org"])
def test_a_key_of_netrc_is_for_its_server(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("WANDB_BASE_URL", server)
    netrc = tmp_path / "home" / "netrc"
    netrc.write_text(f"machine api.example.org\n  login user\n  password {KEY}\n")
    netrc.chmod(0o600)
    assert ("there is one" in report()["W&B's key"]) == (server == "https://api.example.org")


@pytest.mark.parametrize(
    "key", ["secret", "secret" * 7 + "!", "secret-" + "x" * 39, "secret secret", "secret\tß"]
)
def test_a_key_that_is_none_is_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", key)
    found = report()
    assert found["W&B's key"].startswith("mend  W&B's key       WANDB_API_KEY invalid: API key m")
    assert not any("secret" in said for said in found.values())


def test_two_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    found = report()
    assert found["W&B's key"].startswith("mend")
    assert not any(KEY in said for said in found.values())


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WANDB_MODE", "onlin", "WANDB_MODE: Input should be 'online'"),
        ("WANDB_BASE_URL", "nonsense", "WANDB_BASE_URL: Input should be a valid URL"),
    ],
)
def test_settings_that_are_none(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    found = report()
    assert list(found) == ["W&B"]
    assert found["W&B"].startswith(f"mend  W&B             {said}")
    assert found["W&B"].endswith(": mend the variable, or wandb's settings")


@pytest.mark.parametrize(("mode", "said"), [("online", "offline"), ("offline", "offline")])
def test_the_mode(mode: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable can only hold it back, as in `ninja.tracking.client.mode_of`."""
    monkeypatch.setenv("WANDB_MODE", mode)
    assert f"tracker={said} unless told" in report()["W&B"]


def test_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert report() == {"W&B": "ok    W&B             disabled by WANDB_MODE"}


def test_a_folder_of_its_own_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_DATA_DIR", "/proc/self/wandb")
    assert report()["W&B's folder"].startswith(
        "mend  W&B's folder    '/proc/self/wandb' cannot be written: "
    )
