"""MODEL, as users write it: ``file.py:factory``, ``package.module:factory``, ``model.pt2``, ``model.pt``, ``g.nir``.

A factory is the user's own Python code and runs with the user's rights. Files that would run code ask for trust.
"""

from __future__ import annotations

import importlib
import importlib.util
import linecache
import sys
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeproof.errors import ModelReferenceError
from edgeproof.model.model import Model
from edgeproof.trust import ask_for_trust

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["Address", "load_model", "parse_address"]

SOURCE = "__edgeproof_source__"
"""Where a module that was made of a file keeps what the file was."""
FORMS = "file.py:factory, package.module:factory, model.pt2, model.pt, graph.nir"


@dataclass(frozen=True)
class Address:
    """A parsed MODEL.

    Attributes:
        text: as it was given.
        file: the Python, ``.pt2``, ``.pt`` or ``.nir`` file, or None for a package module.
        module: dotted module name, or None for a file.
        factory: name of the factory, or None for a file that holds the model itself.
        query: what stands after ``?`` behind a ``.nir`` file.
    """

    text: str
    file: Path | None
    module: str | None
    factory: str | None
    query: str = ""

    @property
    def name(self) -> str:
        """Stem for file names."""
        if self.file is not None:
            return self.file.stem
        assert self.module is not None
        return self.module.rpartition(".")[2]


def parse_address(text: str) -> Address:
    """Parse MODEL and check that its file exists.

    Raises:
        ModelReferenceError: not one of the known forms, or the file is not there.
    """
    graph, _, query = text.partition("?")
    if graph.endswith(".nir"):
        return Address(text, _existing(Path(graph), text), None, None, query)
    target, colon, factory = text.rpartition(":")
    if colon and target.endswith(".py"):
        return Address(text, _existing(Path(target), text), None, _identifier(factory, text))
    if colon and target and all(part.isidentifier() for part in target.split(".")):
        return Address(text, None, target, _identifier(factory, text))
    path = Path(text)
    if path.suffix in (".pt2", ".pt", ".pth", ".ts"):
        return Address(text, _existing(path, text), None, None)
    if path.suffix == ".py":
        raise ModelReferenceError(
            f"{text} does not say which function makes the model", hint=f"for example {text}:model"
        )
    raise ModelReferenceError(f"cannot read MODEL `{text}`; expected one of {FORMS}")


def _existing(path: Path, text: str) -> Path:
    if not path.is_file():
        raise ModelReferenceError(f"{text}: there is no file {path}", hint="paths are relative to the current folder")
    return path


def _identifier(name: str, text: str) -> str:
    if not name.isidentifier():
        raise ModelReferenceError(f"{text}: `{name}` is no function name", hint="write file.py:factory")
    return name


def load_model(text: str, *, trust: bool = False) -> Model:
    """Load MODEL. A factory's module becomes a ``Model``; the module is in evaluation mode.

    Args:
        text: MODEL.
        trust: whether a file of unknown origin may run code.

    Raises:
        ModelReferenceError: not found, the factory failed, or what it gave is not a module.
        TrustError: a file would run code, and is not trusted.
    """
    address = parse_address(text)
    model = _load_file(address, trust=trust) if address.factory is None else _call_factory(address)
    model.module.eval()
    return model if model.name else replace(model, name=address.name)


def _call_factory(address: Address) -> Model:
    import torch

    source = _import(address)
    factory = getattr(source, address.factory or "", None)
    if factory is None:
        names = [name for name in vars(source) if callable(getattr(source, name)) and not name.startswith("_")]
        own = [name for name in names if getattr(getattr(source, name), "__module__", None) == source.__name__]
        raise ModelReferenceError(
            f"{address.text}: there is no `{address.factory}`",
            hint=f"it defines: {', '.join(own) or 'no function'}",
        )
    made: Any = factory
    if callable(factory) and not isinstance(factory, torch.nn.Module):
        try:
            made = factory()
        except (Exception, SystemExit) as error:
            raise ModelReferenceError(
                f"{address.text}: the factory raised {type(error).__name__}: {error}",
                hint="a factory takes no argument and returns an nn.Module or an edgeproof.Model",
            ) from error
    if isinstance(made, torch.nn.Module):
        return Model(made)
    if isinstance(made, Model):
        return made
    raise ModelReferenceError(
        f"{address.text}: the factory returned {type(made).__name__}",
        hint="return an nn.Module or an edgeproof.Model",
    )


def _import(address: Address) -> ModuleType:
    try:
        if address.file is None:
            assert address.module is not None
            if str(Path.cwd()) not in sys.path:
                sys.path.insert(0, str(Path.cwd()))
            return importlib.import_module(address.module)
        return _import_file(address.file.resolve())
    except (Exception, SystemExit) as error:
        relative = isinstance(error, ImportError) and "relative import" in str(error)
        raise ModelReferenceError(
            f"{address.text}: importing it raised {type(error).__name__}: {error}",
            hint="a file alone has no package to import from: say package.module:factory, from the folder that the "
            "package stands in"
            if relative
            else "it must import in this environment; run it alone to see the whole error",
        ) from error


def _import_file(path: Path) -> ModuleType:
    """The module that the file is now: one that was loaded is taken only where nothing was changed since."""
    name, source = f"edgeproof_user_{path.stem}", path.read_bytes()
    loaded = sys.modules.get(name)
    if loaded is not None and (loaded.__file__, getattr(loaded, SOURCE, None)) == (str(path), source):
        return loaded
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    module = importlib.util.module_from_spec(spec)
    setattr(module, SOURCE, source)
    sys.modules[name] = module
    linecache.checkcache(str(path))
    try:
        exec(
            compile(source, str(path), "exec", dont_inherit=True), vars(module)
        )  # as its loader would, without a cache
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _load_file(address: Address, *, trust: bool) -> Model:
    import torch

    from edgeproof.model.archive import load_program
    from edgeproof.model.programs import ExportedModule, ScriptedModule, exported_specs

    path = address.file
    assert path is not None
    if path.suffix == ".nir":
        from edgeproof.model.nir_model import nir_model

        return nir_model(path, address.query, text=address.text)
    if not zipfile.is_zipfile(path):
        raise ModelReferenceError(
            f"{path} is neither an exported program nor TorchScript: it is no zip archive",
            hint="save with torch.export.save(program, path) or torch.jit.save(module, path)",
        )
    if path.suffix == ".pt2":
        program = load_program(path, trust=trust)
        return Model(ExportedModule(program), inputs=exported_specs(program))
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ModelReferenceError(f"{path} cannot be read: {error}") from error
    if not any("/code/" in name for name in names):
        raise ModelReferenceError(
            f"{path} holds weights or a pickled module, not TorchScript",
            hint="give file.py:factory that builds the module and loads these weights",
        )
    if not trust:
        raise ask_for_trust(str(path), runs="it is TorchScript, and opening it runs the code inside")
    try:
        return Model(ScriptedModule(torch.jit.load(path, map_location="cpu")))  # type: ignore[no-untyped-call]
    except Exception as error:
        raise ModelReferenceError(f"{path} cannot be loaded as TorchScript: {error}") from error
