"""W&B: how it is set, and whether there is a key. The key itself is shown to nobody."""

from collections.abc import Iterator

from ninja.config import RunConfig
from ninja.doctor import places
from ninja.doctor.check import Check
from ninja.tracking import account
from ninja.tracking.client import mode_of


def wandb() -> Iterator[Check]:
    """Its settings, its key, and the folder that it keeps to itself."""
    mode = mode_of(RunConfig())
    if mode == "disabled":
        yield Check("W&B", "ok", "disabled by WANDB_MODE")
        return
    try:
        found = account.find()
    except account.AccountError as error:
        yield Check("W&B", "mend", str(error), error.advice)
        return
    yield Check("W&B", "ok", f"tracker={mode} unless told; server {found.server}")
    yield _key(found)
    yield places.writable("W&B's folder", found.folder, "name another in WANDB_DATA_DIR")


def _key(found: account.Account) -> Check:
    use = "set WANDB_API_KEY, or run wandb login"
    if found.fault is not None:
        return Check("W&B's key", "mend", found.fault, use)
    if not found.has_key:
        what = "none; only tracker=online and make sync need one"
        return Check("W&B's key", "note", what, use)
    return Check("W&B's key", "ok", "there is one")
