"""The plugins in Hydra's own hands, and the commands that people type."""

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.test_utils.launcher_common_tests import (
    BatchedSweeperTestSuite,
    IntegrationTestSuite,
    LauncherTestSuite,
)

# Hydra's own, of what its next version will do
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def test_hydra_finds_them() -> None:
    for kind, name in ((Launcher, "PackedLauncher"), (Sweeper, "PackedSweeper")):
        assert name in {found.__name__ for found in Plugins.instance().discover(kind)}


NAMES = ["packed", "packed_inline", "packed_dask"]


@pytest.mark.parametrize(("launcher_name", "overrides"), [(name, []) for name in NAMES])
class TestLauncher(LauncherTestSuite):
    """Hydra's own suite: any application's jobs, which have no ``sweep``."""


@pytest.mark.parametrize(
    ("launcher_name", "overrides"), [("packed", ["hydra.sweeper.max_batch_size=2"])]
)
class TestBatched(BatchedSweeperTestSuite):
    """The same with a sweeper that launches in batches."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [({}, ["-m", "hydra/launcher=packed"])],
)
class TestIntegration(IntegrationTestSuite):
    """The same, started as applications are."""
