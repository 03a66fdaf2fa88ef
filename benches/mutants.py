#!/usr/bin/env python3
"""How many errors planted in the code generators and in what generated code calls do the tests of `gpu` find?

cargo-mutants lists every small change that it knows; this draws some of them by a seed, each as likely as any other,
and has it run the tests of the crate over each. A change that does not compile says nothing about tests, and the next
that is drawn takes its place. A change under which tests hang counts as found: cargo-mutants stops them.

Goal: of 50, at least 45 are found. Exits with 1 where fewer are.

Needs `cargo install cargo-mutants`. The sources are copied, not changed. With WARPWISE_NVRTC, the path of NVIDIA's
libnvrtc.so.12, generated kernels are compiled by it too.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WHICH = ["--package", "warpwise-gpu", "--file", "gpu/src/codegen/**", "--file", "gpu/src/primitive/**"]

# The profile that the tests are run in, but quicker to build again after a change of one line. In a folder of its own:
# Cargo takes the copy's crate and the checkout's for one, so a build of either there would stand for both.
BUILD = {
    "CARGO_TARGET_DIR": str(Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute() / "mutants"),
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1",
    "CARGO_PROFILE_RELEASE_INCREMENTAL": "true",
}

# Most that is found is found by these, which are quick; what is left runs through all tests.
QUICK = ["--lib", "--test", "cpu", "--test", "programs"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50, help="how many changes that compile (%(default)s)")
    parser.add_argument("--seed", type=int, default=20261121, help="what draws them (%(default)s)")
    parser.add_argument("--least", type=int, help="how many have to be found (nine of ten)")
    parser.add_argument("--timeout", type=int, default=300, help="seconds after which tests hang (%(default)s)")
    parser.add_argument("--output", type=Path, help="a folder for cargo-mutants' logs (a temporary one)")
    parser.add_argument("--list", action="store_true", help="print what is drawn and run nothing")
    parser.add_argument("--only", metavar="REGEX", help="run those that are drawn and match, to look at them again")
    return parser.parse_args()


def mutants(*args, **options):
    return subprocess.run(["cargo", "mutants", *args], cwd=ROOT, text=True, **options)


def draw(seed, count):
    """The changes in the order in which they are taken."""
    listed = mutants("--list", "--json", *WHICH, check=True, stdout=subprocess.PIPE).stdout
    names = sorted(mutant["name"] for mutant in json.loads(listed))
    chance = random.Random(seed)
    drawn = chance.sample(names, min(count, len(names)))
    rest = sorted(set(names) - set(drawn))
    return drawn + chance.sample(rest, len(rest))


def run(names, output, timeout, baseline, tests):
    """What became of each of these under some of the tests, or all."""
    output.mkdir(parents=True)
    exactly = [part for name in names for part in ("--re", f"^{re.escape(name)}$")]
    settings = ["--profile", "release", "--timeout", str(timeout), "--baseline", baseline, "--output", str(output)]
    # No other tests are built.
    only = [f"--cargo-arg={part}" for part in tests]
    # Its exit status tells of changes that were not found as well; what it wrote says more.
    mutants(*WHICH, *settings, *exactly, *only, env={**os.environ, **BUILD})
    outcomes = json.loads((output / "mutants.out" / "outcomes.json").read_text())["outcomes"]
    tried = [outcome for outcome in outcomes if outcome["scenario"] != "Baseline"]
    became = {outcome["scenario"]["Mutant"]["name"]: outcome["summary"] for outcome in tried}
    if set(became) != set(names):
        sys.exit(f"not every change was tried: do the tests pass without any? See {output}/mutants.out")
    return became


def run_all(names, output, timeout, baseline):
    """What became of each of these."""
    became = run(names, output / "quick", timeout, baseline, QUICK)
    left = [name for name in names if became[name] == "MissedMutant"]
    return became | run(left, output / "all", timeout, baseline, []) if left else became


def main():
    args = arguments()
    order = draw(args.seed, args.count)
    if args.list:
        print("\n".join(order[: args.count]))
        return
    output = args.output or Path(tempfile.mkdtemp(prefix="warpwise-mutants-"))
    became = {}
    taken = 0
    baseline = "run"
    while len(became) < args.count and taken < len(order):
        batch = order[taken : taken + args.count - len(became)]
        taken += len(batch)
        if args.only:
            batch = [name for name in batch if re.search(args.only, name)]
        if batch:
            results = run_all(batch, output / str(taken), args.timeout, baseline)
            became |= {name: result for name, result in results.items() if result != "Unviable"}
        if args.only:
            break
        baseline = "skip"
    for name, result in sorted(became.items()):
        print(f"{result:14} {name}")
    found = sum(result != "MissedMutant" for result in became.values())
    least = args.least if args.least is not None else -(-len(became) * 9 // 10)
    hung = sum(result == "Timeout" for result in became.values())
    print(f"{found} of {len(became)} found, {hung} of them by hanging; logs are in {output}")
    if found < least:
        sys.exit(f"fewer than {least}")


if __name__ == "__main__":
    main()
