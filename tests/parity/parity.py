#!/usr/bin/python3
"""Compares pairmill's networks with independent implementations on the same weights and images.

    make parity                                   everything
    tests/parity/parity.py --program build/release/pairmill demo_c4 [IMAGE...]

Needs Debian's python3-torch and python3-torchvision.
"""
import argparse
import importlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
CHECKS = ["weights", "demo_c4", "torchvision_fpn", "c4", "golden", "video"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--program", default="build/release/pairmill")
    parser.add_argument("--model", help="other weights than the check's own")
    parser.add_argument("--data", help="a folder of JPEGs for the checks that take photos; default: "
                        "$PAIRMILL_TEST_DATA, else they draw pictures")
    parser.add_argument("check", nargs="?", choices=CHECKS)
    parser.add_argument("images", nargs="*", help="other images than the check's own")
    args = parser.parse_args()
    if args.data:
        os.environ["PAIRMILL_TEST_DATA"] = args.data
    passed = failed = 0
    for name in [args.check] if args.check else CHECKS:
        p, f = importlib.import_module(name).run(args.program, args.model, args.images)
        passed += p
        failed += f
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
