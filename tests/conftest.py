"""What holds for all tests."""

import gc
import os
import shutil
import tempfile

import pytest

STATE = "XDG_STATE_HOME"


def pytest_configure(config: pytest.Config) -> None:
    """A worker holds a million objects of frameworks that live until its end: look through them more rarely.

    The key that says what this user made is the tests' own, one for all workers: they open what another made. No
    conversion is taken from the cache of those that were made before: a test is to see one.
    """
    os.environ["EDGEPROOF_CACHE"] = "off"
    gc.set_threshold(100_000, 20, 50)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ[STATE] = state = tempfile.mkdtemp(prefix="edgeproof-state-")
        config.add_cleanup(lambda: shutil.rmtree(state, ignore_errors=True))
