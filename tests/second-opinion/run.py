#!/usr/bin/env python3
"""A second opinion: the packages that Lambda would get, under ministack, held against the local bundle.

    python3 tests/second-opinion/run.py [--newman NEWMAN] [--bundle BINARY] [--zips DIR | --shipped | --unoptimised]

It makes an environment of its own for the pinned tools, builds the local bundle and the packages, and asks the same of both.
docs/SECOND-OPINION.md tells what, and what came of it. What is given is not built: `--bundle` is the local command, `--zips` a
folder as `cargo lambda build --output-format zip` fills it. With `--unoptimised` the packages hold the binaries that are built
with the bundle anyway. Without `--newman` the collection is not run.
"""

import argparse
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys
import time
import zipfile

# What is imported lies in the tree.
sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
VENV = TARGET / "second-opinion-venv"


def enter_environment():
    """Goes on within the environment of requirements.txt, which is made where it is not there or an older one."""
    wanted, installed = HERE / "requirements.txt", VENV / "installed.txt"
    if not installed.exists() or installed.read_bytes() != wanted.read_bytes():
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        pip = [VENV / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", wanted]
        subprocess.run(pip, check=True)
        installed.write_bytes(wanted.read_bytes())
    if pathlib.Path(sys.prefix) != VENV:
        python = str(VENV / "bin" / "python")
        os.execv(python, [python, __file__, *sys.argv[1:]])


def build_bundle():
    # Together with the tests, as CI has built it before.
    subprocess.run(["cargo", "build", "--locked", "--quiet", "--workspace", "--bins", "--test", "it"], cwd=ROOT, check=True)
    return TARGET / "debug" / "kith-local"


def build_packages(profile):
    """Builds what `sam build` would upload, for this machine's processor."""
    zips = TARGET / profile / "packages"
    packages = [part for function in sorted((ROOT / "functions").iterdir()) for part in ("--package", function.name)]
    # cargo-lambda links by a zig that it finds through Python. It must not fetch a toolchain.
    environment = {
        **os.environ, "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}",
        "CARGO_TARGET_DIR": str(TARGET), "RUSTUP_DIST_SERVER": "http://127.0.0.1:9",
    }
    subprocess.run([
        VENV / "bin" / "cargo-lambda", "lambda", "build", "--locked", "--profile", profile, "--bins", *packages,
        "--arm64" if platform.machine() in ("aarch64", "arm64") else "--x86-64",
        "--output-format", "zip", "--lambda-dir", zips,
    ], cwd=ROOT, env=environment, check=True)
    return zips


def pack_unoptimised():
    """Packs the functions as the tests have them: another compiler's options and libraries, the same code."""
    zips = TARGET / "debug" / "packages"
    for function in sorted((ROOT / "functions").iterdir()):
        folder = zips / function.name
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["strip", "-o", folder / "bootstrap", TARGET / "debug" / function.name], check=True)
        with zipfile.ZipFile(folder / "bootstrap.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
            package.write(folder / "bootstrap", "bootstrap")
        (folder / "bootstrap").unlink()
    return zips


def timed(what, action, *arguments):
    started = time.monotonic()
    result = action(*arguments)
    print(f"{what}: {time.monotonic() - started:.0f} s", flush=True)
    return result


def ask(emulator, known_to_differ):
    """Runs every check. By title: whether it is as it should be, and what to say of it."""
    from calls import Tally, Unexpected
    from checks import CHECKS

    outcomes = {}
    for title, function, differs, at in CHECKS:
        Tally.met, fault, started = 0, None, time.monotonic()
        try:
            function(emulator)
        except Unexpected as unexpected:
            fault = str(unexpected)
        except Exception as error:  # An answer of another shape is a fault of the check's, not of this script's.
            fault = f"{type(error).__name__}: {error}"
        if differs is None or not known_to_differ:
            outcome = (fault is None, f"{Tally.met} held" if fault is None else f"FAILED: {fault}")
        elif fault is None:
            outcome = (False, f"FAILED: it differs no longer; it was said that it {differs}")
        elif at not in fault:
            outcome = (False, f"FAILED, and not as it is known to: {fault}")
        else:
            outcome = (True, f"differs: {differs} ({fault})")
        outcomes[title] = outcome
        print(f"  {title} ({time.monotonic() - started:.0f} s): {outcome[1]}", flush=True)
    return outcomes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=pathlib.Path, help="the local command, built")
    packages = parser.add_mutually_exclusive_group()
    packages.add_argument("--zips", type=pathlib.Path, help="the packages, built")
    packages.add_argument("--shipped", action="store_true", help="build the packages as they are shipped, which takes long")
    packages.add_argument("--unoptimised", action="store_true", help="pack what is built with the bundle")
    parser.add_argument("--newman", help="newman, which runs the Postman collection")
    parser.add_argument("--out", type=pathlib.Path, default=TARGET / "second-opinion-logs", help="a folder for logs")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    from local_bundle import LocalBundle
    from ministack_stack import Ministack

    bundle = options.bundle or timed("local bundle built", build_bundle)
    if options.unoptimised:
        zips = timed("unoptimised packages made", pack_unoptimised)
    else:
        profile = "lambda" if options.shipped else "second-opinion"
        zips = options.zips or timed(f"packages built ({profile})", build_packages, profile)
    results = {}
    for kind, what in ((LocalBundle, bundle), (Ministack, zips)):
        emulator = timed(f"{kind.name} started", kind, what.absolute(), options.out)
        emulator.newman = options.newman and os.path.abspath(options.newman)
        emulator.out = options.out
        try:
            results[kind.name] = timed(f"{kind.name} asked", ask, emulator, kind is Ministack)
        finally:
            emulator.stop()

    names = list(results)
    titles = list(results[names[0]])
    width = max(map(len, titles))
    # What fails and what differs was told above; here it is one word.
    short = lambda text: text if text[0].isdigit() else re.match(r"\w+", text)[0]
    print(f"\n{'check':{width}}  {names[0]:14}  {names[1]}")
    for title in titles:
        print(f"{title:{width}}  {short(results[names[0]][title][1]):14}  {short(results[names[1]][title][1])}")
    good = [is_good for outcomes in results.values() for is_good, _ in outcomes.values()]
    print(f"\n{sum(good)} passed, {len(good) - sum(good)} failed")
    return 0 if all(good) else 1


if __name__ == "__main__":
    enter_environment()
    # Whoever ends this ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
