"""The command line: `python -m ironhorn run script.py ...`, `profile` and `doctor`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ironhorn.profiling import Profile

_USAGE = """usage: python -m ironhorn <command>

  run script.py [arguments]   run a program with `import keras` and `import surprise` leading to Ironhorn
  profile script.py [arguments]         run it so, then show where the time went, op by op
  profile model.keras [--batch-size N]  the same for predictions of a saved model on random inputs
  doctor                      show versions, processor features and threads, for problem reports
  --version                   show the version
"""


def run(arguments: list[str]) -> int:
    """Run a script with the libraries swapped."""
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stderr.write("usage: python -m ironhorn run script.py [arguments]\n")
        return 0 if arguments else 2
    script = arguments[0]
    if not os.path.isfile(script):
        sys.stderr.write(f"ironhorn run: there is no file {script!r}.\n")
        return 2
    import runpy

    from ironhorn.swap import available, swap

    swap(*available())
    sys.argv = arguments
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    runpy.run_path(script, run_name="__main__")
    return 0


def profile(arguments: list[str]) -> int:
    """Run a script, or a model's predictions, and show where the time went."""
    usage = (
        "usage: python -m ironhorn profile script.py [arguments]\n"
        "       python -m ironhorn profile model.keras [--batch-size N]\n"
    )
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stderr.write(usage)
        return 0 if arguments else 2
    from ironhorn.profiling import profile as start

    report = start()
    try:
        if arguments[0].endswith((".keras", ".h5", ".hdf5")):
            return _profile_model(arguments, report, usage)
        with report:
            return run(arguments)
    finally:
        if report.rows:
            sys.stderr.write(f"{report.table(40)}\n")


def _profile_model(arguments: list[str], report: Profile, usage: str) -> int:
    """Profile ten predictions of a saved model, after one that traces and plans it."""
    match arguments[1:]:
        case []:
            batch_size = 32
        case ["--batch-size", number] if number.isdigit() and int(number) > 0:
            batch_size = int(number)
        case _:
            sys.stderr.write(usage)
            return 2
    from ironhorn.models import load_model
    from ironhorn.profiling import random_inputs

    model = load_model(arguments[0], compile=False)
    inputs = random_inputs(model, batch_size)
    model.predict(inputs, batch_size=batch_size, verbose=0)
    with report:
        for _ in range(10):
            model.predict(inputs, batch_size=batch_size, verbose=0)
    return 0


def doctor() -> int:
    """Show what a problem report should contain."""
    import importlib.metadata
    import platform

    import ironhorn
    from ironhorn import _core
    from ironhorn.swap import available

    def version(package: str) -> str:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return "not installed"

    rows = [
        ("ironhorn", ironhorn.__version__),
        ("python", f"{platform.python_version()} ({platform.python_implementation()})"),
        ("platform", platform.platform()),
        ("instruction set", _core.instruction_set()),
        ("threads", str(_core.thread_count())),
        *((package, version(package)) for package in ("numpy", "h5py", "rich")),
        ("stands in for", ", ".join(available())),
        *((name, value) for name, value in sorted(os.environ.items()) if name.startswith("IRONHORN_")),
    ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        sys.stdout.write(f"{name.ljust(width)}  {value}\n")
    return 0


def main(arguments: list[str]) -> int:
    """Run the command that the arguments name."""
    command = arguments[0] if arguments else "--help"
    if command == "run":
        return run(arguments[1:])
    if command == "profile":
        return profile(arguments[1:])
    if command == "doctor" and len(arguments) == 1:
        return doctor()
    if command == "--version":
        import ironhorn

        sys.stdout.write(f"{ironhorn.__version__}\n")
        return 0
    if command in ("-h", "--help"):
        sys.stdout.write(_USAGE)
        return 0
    sys.stderr.write(f"ironhorn: unknown command {' '.join(arguments)!r}\n\n{_USAGE}")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
