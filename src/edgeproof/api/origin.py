"""A model as a caller has it: an address, a module or an ``edgeproof.Model``, with samples in files or in arrays."""

from __future__ import annotations

from pathlib import Path

TYPE_CHECKING = False  # opening an engine of ours starts in milliseconds, and typing is some of them
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypedDict

    import numpy.typing as npt
    import torch

    from edgeproof.documents.source import ModelSource
    from edgeproof.metrics.base import Metric
    from edgeproof.model.model import Model, Samples
    from edgeproof.model.resolve import Resolved

    AnyModel = str | Path | ModelSource | Model | torch.nn.Module
    AnySamples = str | Path | Samples | Mapping[str, npt.NDArray[Any]]

    class Given(TypedDict, total=False):
        """What goes with a model.

        Attributes:
            inputs: ``NAME:dtype[shape]``, batch axis included, such as ``x:float32[1,64]``; wins over the model's own.
            samples: a folder or ``.npz``, ``edgeproof.Samples``, or arrays keyed by input name, sample axis first.
            metric: what the task is scored by, in place of the model's own: a name, or ``"top_k:k=3"``; of a model that
                lives in this process also a metric or a function, as in ``edgeproof.Model``.
            name: what it is called in files and reports; default: as its factory, or its file, calls it.
            trust: open files of unknown origin that run the code inside with your rights, such as TorchScript.
        """

        inputs: Sequence[str]
        samples: AnySamples | None
        metric: str | Metric | Callable[[Any, Any], float] | None
        name: str | None
        trust: bool


__all__ = ["origin_of", "resolved_here", "source_of"]


def source_of(model: str | Path | ModelSource, given: Given) -> ModelSource:
    """An address, with samples in files.

    Raises:
        UsageError: a metric that has no name.
    """
    from edgeproof.documents.source import ModelSource
    from edgeproof.errors import UsageError

    if isinstance(model, ModelSource):
        return model
    samples = given.get("samples")
    assert samples is None or isinstance(samples, str | Path)
    metric = given.get("metric")
    if metric is not None and not isinstance(metric, str):
        raise UsageError(
            f"the metric of {model} is a {type(metric).__name__}: a model with an address is scored in another process",
            hint='give its name, as "top_k:k=3", or say metric= in the edgeproof.Model that its factory returns',
        )
    return ModelSource(
        model=str(model),
        inputs=tuple(given.get("inputs", ())),
        samples=None if samples is None else str(samples),
        metric=metric,
        name=given.get("name"),
        trust=given.get("trust", False),
    )


def resolved_here(model: AnyModel, given: Given) -> Resolved:
    """The model loaded in this process.

    Raises:
        UsageError: the model, its signature or its samples.
    """
    from dataclasses import replace

    from edgeproof.documents.source import ModelSource
    from edgeproof.model.address import load_model
    from edgeproof.model.model import Model, parse_spec
    from edgeproof.model.resolve import resolve, resolve_model

    if isinstance(model, ModelSource):
        return resolve(model)
    if isinstance(model, str | Path):
        loaded = load_model(str(model), trust=given.get("trust", False))
    else:
        loaded = model if isinstance(model, Model) else Model(model, name=type(model).__name__.lower())
        loaded.module.eval()
    name = ModelSource(model="", name=given.get("name")).name
    if name is not None:
        loaded = replace(loaded, name=name)
    if given.get("metric") is not None:
        loaded = replace(loaded, metric=given["metric"])
    specs = tuple(parse_spec(text) for text in given.get("inputs", ()))
    return resolve_model(loaded, specs, _samples(given.get("samples")))


def origin_of(model: AnyModel, given: Given, scratch: Path) -> ModelSource | Resolved:
    """How the model is worked on: an address in a process of its own, anything else here.

    Args:
        model: the caller's.
        given: what goes with it.
        scratch: folder for arrays on their way to the process.

    Raises:
        UsageError: a model that lives here, its signature or its samples.
    """
    from edgeproof.documents.source import ModelSource

    if not isinstance(model, str | Path | ModelSource):
        return resolved_here(model, given)
    found = _samples(given.get("samples")) if not isinstance(given.get("samples"), str | Path | None) else None
    if found is None:
        return source_of(model, given)
    from edgeproof.model.samples import save

    path = scratch / "samples.npz"
    save(found, path)
    return source_of(model, {**given, "samples": path})


def _samples(samples: AnySamples | None) -> Samples | None:
    from edgeproof.model.model import Samples

    if samples is None or isinstance(samples, Samples):
        return samples
    if isinstance(samples, str | Path):
        from edgeproof.model.samples import read_samples

        return read_samples(Path(samples))
    arrays = dict(samples)
    labels = arrays.pop("labels", None)
    return Samples(arrays, labels, origin="given by the caller")
