"""Every error a user can meet, one tree.

    EdgeProofError                 exit 1
    ├── UsageError                 exit 2   wrong words on the command line or in the API
    │   ├── ModelReferenceError             MODEL cannot be found or does not give a module
    │   ├── SignatureError                  inputs unknown, or samples and signature disagree
    │   ├── SamplesError                    samples cannot be used
    │   ├── PolicyError                     the policy file is not valid
    │   ├── SpikeGraphError                 a spiking network's graph cannot be used, or its file not read
    │   ├── TrustError                      code of unknown origin would run, and nobody said that it may
    │   └── RunFolderError                  the run folder is missing, damaged or of another version
    ├── DocumentError                       a document cannot be read as what it says it is
    ├── ConversionError                     a converter could not make the artifact
    │   ├── DataDependentError              control flow depends on data: refused in every format
    │   ├── OperatorError                   the format does not take an operator: which, at which line, what to do
    │   └── UnsupportedError                the format does not take such a model: the candidate is skipped
    ├── MissingDependency                   a package or program is needed and not here
    ├── ArtifactError                       an artifact cannot be opened or run
    ├── ProcessError                        a process of ours crashed, hung or passed a limit
    ├── ServingError                        the server or its client failed
    ├── DeviceError                         a device cannot be reached or lost its work
    ├── MeterError                          a power meter cannot be read, or its readings mean nothing
    └── PolicyNotMet               exit 3   a gate asked for more than the evidence gives

A message says what happened and what was expected; ``hint`` says what to do.
"""

from __future__ import annotations

__all__ = [
    "ArtifactError",
    "ConversionError",
    "DataDependentError",
    "DeviceError",
    "DocumentError",
    "EdgeProofError",
    "MeterError",
    "MissingDependency",
    "ModelReferenceError",
    "OperatorError",
    "PolicyError",
    "PolicyNotMet",
    "ProcessError",
    "RunFolderError",
    "SamplesError",
    "ServingError",
    "SignatureError",
    "SpikeGraphError",
    "TrustError",
    "UnsupportedError",
    "UsageError",
]


class EdgeProofError(Exception):
    """Base of all errors that are shown without a traceback.

    Args:
        message: what happened and what was expected, one sentence or two.
        hint: what to do about it, or None.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(EdgeProofError):
    """The request itself is wrong."""

    exit_code = 2


class ModelReferenceError(UsageError):
    """MODEL cannot be found, loaded, or does not give a module."""


class SignatureError(UsageError):
    """The model's inputs are unknown, or samples and signature disagree."""


class SamplesError(UsageError):
    """The samples cannot be used."""


class PolicyError(UsageError):
    """The policy file is not valid."""


class SpikeGraphError(UsageError):
    """A spiking network's graph is not valid, or a file of one cannot be read."""


class TrustError(UsageError):
    """A file would run code, this user did not make it, and ``--trust`` was not said."""


class RunFolderError(UsageError):
    """The run folder is missing, damaged, or was written by another version."""


class DocumentError(EdgeProofError):
    """A JSON document cannot be read as the type it claims to be."""


class ConversionError(EdgeProofError):
    """A converter could not make the artifact."""


class UnsupportedError(ConversionError):
    """The format does not take such a model: what it met, where, and what it takes. Its candidate is skipped."""


class DataDependentError(ConversionError):
    """The model's Python control flow depends on the data.

    Args:
        location: ``file:line`` of the line that decides.
        source: that line's text.
    """

    def __init__(self, location: str, source: str) -> None:
        super().__init__(
            f"control flow depends on the data at {location}: `{source}`; "
            "a trace would freeze one branch without a word",
            hint="compute both branches and select with torch.where, or use torch.cond; index by a tensor of one "
            "element (index_select, index_copy); or ship this model with its own engine in Python",
        )
        self.location = location
        self.source = source


class OperatorError(ConversionError):
    """A format does not take an operator of the model.

    Args:
        operator: its name in PyTorch.
        detail: what the converter said.
    """

    def __init__(self, message: str, *, hint: str, operator: str, detail: str) -> None:
        super().__init__(message, hint=hint)
        self.operator = operator
        self.detail = detail


class MissingDependency(EdgeProofError):
    """A package or program is needed and not installed."""


class ArtifactError(EdgeProofError):
    """An artifact cannot be opened or run."""


class ProcessError(EdgeProofError):
    """A process of ours could not be started, crashed, hung, or passed a limit."""


class ServingError(EdgeProofError):
    """The edge server, or the client that drives it, failed."""


class DeviceError(EdgeProofError):
    """A device cannot be reached, or lost its work."""


class MeterError(EdgeProofError):
    """A power meter is not there, cannot be read, or says that its readings would mean nothing."""


class DeviceLost(DeviceError):
    """The link to a device broke, or it went away: it may come back, and the work may be done anew."""


class PolicyNotMet(EdgeProofError):
    """A gate asked for more than the evidence gives."""

    exit_code = 3
