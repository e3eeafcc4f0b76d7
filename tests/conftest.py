"""What holds for all tests."""

import gc


def pytest_configure() -> None:
    """A worker holds a million objects of frameworks that live until its end: look through them more rarely."""
    gc.set_threshold(100_000, 20, 50)
