"""Cores, the C++ compiler and the GPU."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import warnings
from pathlib import Path
from subprocess import PIPE, STDOUT

from ninja import compiler
from ninja.doctor.check import Check
from ninja.errors import RunError

PATIENCE = 60.0  # seconds for a compiler

SOURCE = "#include <Python.h>\n#include <omp.h>\n#include <cmath>\nint threads() { return 1; }\n"
"""Asks for the headers that the code has which torch.compile makes."""


def threads(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> Check:
    """The cores that this process may use.

    Args:
        quota: in which Linux says how many cores' time a container gets.
    """
    cores = len(os.sched_getaffinity(0))
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked and not all(part.strip().isdecimal() for part in asked.split(",")):
        what = f"OMP_NUM_THREADS={asked!r} is no number"
        return Check("threads", "mend", what, "give one, such as 1, or unset it")
    share = _share(quota)
    found = f"{cores} cores; a run uses one (threads=1), a sweep all"
    if share is not None and share < cores:
        found = f"{cores} cores are seen, and only the time of {share:g} is given"
        advice = f"sweep with hydra.launcher.workers={max(1, int(share))}"
        return Check("threads", "note", found, advice)
    return Check("threads", "ok", found)


def _share(quota: Path) -> float | None:
    """Cores whose time the container has; none where nobody limits it."""
    try:
        given, period = quota.read_text().split()
    except (OSError, ValueError):  # no such file, of an older kind, or no container
        return None
    return None if given == "max" else int(given) / int(period)


def gpu(driver: Path = Path("/proc/driver/nvidia/version")) -> Check:
    """Whether torch can compute on it, tried.

    Args:
        driver: the file by which NVIDIA's driver is known.
    """
    import torch

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        usable = torch.cuda.is_available()
    if usable:
        try:
            torch.ones(2, device="cuda").sum().item()
            free, total = torch.cuda.mem_get_info()
        except RuntimeError as error:
            why = " ".join(str(error).split("\n")[0].split())
            return Check("GPU", "note", f"it does not work: {why}", "use device=cpu")
        size = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
        return Check("GPU", "ok", f"{torch.cuda.get_device_name()}, {size}: device=cuda")
    if not (driver.exists() or shutil.which("nvidia-smi")):
        return Check("GPU", "ok", "none: device=cpu")
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if torch.version.cuda is None:
        what = f"there is one, and torch {torch.__version__} is built without CUDA"
        return Check("GPU", "note", what, "for device=cuda install torch as pytorch.org says")
    if hidden is not None:
        what = f"there is one, and CUDA_VISIBLE_DEVICES={hidden!r} lets torch see none"
        return Check("GPU", "note", what, "for device=cuda unset it")
    said = "; ".join(" ".join(str(one.message).split()) for one in told)
    what = f"there is one, and torch {torch.__version__} cannot use it: {said or 'it says no more'}"
    advice = f"for device=cuda install a driver for CUDA {torch.version.cuda}, or torch for yours"
    return Check("GPU", "note", what, advice)


def cxx() -> Check:
    """The compiler, tried on the headers that compiled steps need."""
    only = "only compile=true needs it"
    try:
        found = compiler.find()
    except RunError as error:
        what, _, advice = str(error).removeprefix("compile: ").partition(": ")
        return Check("compiler", "note", f"{what}; {only}", advice)
    fault = _fault(found)
    if fault is not None:
        advice = "install it with the headers of Python and OpenMP (python3-dev, libgomp), or " + (
            "name another in the variable CXX, or leave compile=false"
        )
        return Check("compiler", "note", f"{found} does not work: {fault}; {only}", advice)
    return Check("compiler", "ok", compiler.version() or found)


def _fault(compiler_path: str) -> str | None:
    """What the compiler says of code as torch.compile makes it; none when it compiles."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "tried.cpp"
        source.write_text(SOURCE)
        openmp = ["-Xpreprocessor", "-fopenmp"] if sys.platform == "darwin" else ["-fopenmp"]
        headers = f"-I{sysconfig.get_path('include')}"
        command = [compiler_path, "-shared", "-fPIC", *openmp, headers, str(source)]
        command += ["-o", str(Path(folder) / "tried.so")]
        try:
            subprocess.run(command, stdout=PIPE, stderr=STDOUT, check=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return f"no answer within {PATIENCE:g} s"
        except (subprocess.CalledProcessError, OSError) as error:
            return compiler.fault(error).replace(f"{folder}/", "")
    return None
