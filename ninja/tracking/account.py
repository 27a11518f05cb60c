"""What `wandb` knows of its server and of a key, without asking anybody."""

import os
from dataclasses import dataclass
from pathlib import Path


class AccountError(Exception):
    """`wandb` cannot be used at all; the message says why.

    Attributes:
        advice: what to do.
    """

    def __init__(self, message: str, advice: str) -> None:
        """In one line each."""
        super().__init__(message)
        self.advice = advice


@dataclass(frozen=True)
class Account:
    """How W&B would be reached.

    Attributes:
        server: its address.
        has_key: there is one, in the form that W&B has.
        fault: what is wrong with the key, if it is; it never holds the key.
        folder: in which `wandb` keeps files of its own.
    """

    server: str
    has_key: bool
    fault: str | None
    folder: Path


def find() -> Account:
    """Where `wandb` itself looks: the environment, its settings, ``netrc``.

    Raises:
        AccountError: it is not installed, or its settings are none.
    """
    os.environ.setdefault("WANDB_SILENT", "true")  # read when it is loaded
    try:
        from wandb import env
        from wandb.errors import AuthenticationError, UsageError
        from wandb.sdk import wandb_setup
        from wandb.sdk.lib import wbauth
    except ImportError as error:
        raise AccountError(
            f"cannot be loaded: {error}", "pip install 'wandb>=0.31,<0.32', or tracker=disabled"
        ) from None
    try:
        server = str(wandb_setup.singleton().settings.base_url)
    except (ValueError, UsageError) as error:
        raise AccountError(said(error), "mend the variable, or wandb's settings") from None
    fault, key = None, None
    try:
        key = wbauth.authenticate_session(
            host=server, source="doctor", prompt=False, update_session=False
        )
    except AuthenticationError as error:
        fault = " ".join(str(error).split())
    return Account(server, key is not None, fault, Path(env.get_data_dir()))


def said(error: Exception) -> str:
    """What ails W&B, in a line.

    Of a setting that is none: which, by its variable, and what one is, but not the value, which may
    be a key.
    """
    told = getattr(error, "errors", None)  # pydantic's, which `wandb` is made of
    if told is None:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return "; ".join(
        f"WANDB_{'.'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in told()
    )
