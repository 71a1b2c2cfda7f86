# SPDX-License-Identifier: MIT
"""A long random test of the engine: rounds (rounds.py) of random programs (make.py, program.py) until the time is over.

    soak.py [SECONDS] [--seed N] [--rounds N]

A failure names the seed that repeats its round: the programs and what is done to them, not the scheduler's turns.
"""
import argparse
import os
import random
import shutil
import sys
import tempfile
import time

from rounds import Round

MAX_SHOWN = 6000


def play_round(seed):
    began = time.monotonic()
    one = Round(seed)
    try:
        one.play()
    except BaseException:
        keep = os.path.join(tempfile.gettempdir(), f"flowhost-soak-failed-{seed}")
        shutil.rmtree(keep, ignore_errors=True)
        shutil.copytree(one.folder, keep)
        print(f"--- seed {seed}, host {one.starts}: {keep}\n{one.log}", file=sys.stderr)
        raise
    finally:
        one.close()
    seconds = time.monotonic() - began
    print(f"seed {seed}: {len(one.started)} started, {one.starts} hosts, {seconds:.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description="random flows, random deaths, against a model")
    parser.add_argument("seconds", nargs="?", type=float, default=60, help="how long; the last round is ended")
    parser.add_argument("--seed", type=int, help="of the first round; the next have the next numbers")
    parser.add_argument("--rounds", type=int, default=1 << 60, help="at most so many")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    till = time.monotonic() + options.seconds
    for number in range(seed, seed + options.rounds):
        if time.monotonic() >= till and number > seed:
            break
        try:
            play_round(number)
        except Exception as error:  # pylint: disable=broad-except
            print(f"FAILED: {error!r}"[:MAX_SHOWN] + f"\nrepeat it: ./dev soak 1 --seed {number} --rounds 1",
                  file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
