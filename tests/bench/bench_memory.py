#!/usr/bin/python3
"""Measures how much memory the weights take when many compute processes share them.

    make && tests/bench/bench_memory.py [--processes 16]

A network of BUTD's published sizes with random weights grinds a few drawn images.  Every mapping
that the supervisor holds when its compute processes have begun (the model file, the prepared
weights, the program) is looked up in all of them; the sum of their proportional shares is what the
weights and the program take together, copies included.  What a process has besides is its own
working memory.
"""
import argparse
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import bench_detector

ROW = re.compile(r"([0-9a-f]+-[0-9a-f]+) \S+ \S+ \S+ \S+\s*(.*)")


def mappings(pid):
    """{address range and name: proportional share in bytes}"""
    found, current = {}, None
    with open("/proc/%d/smaps" % pid) as f:
        for line in f:
            row = ROW.match(line)
            if row:
                current = (row.group(1), row.group(2))
            elif line.startswith("Pss:"):
                found[current] = 1024 * int(line.split()[1])
    return found


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(p) for p in f.read().split()]


def descendants(pid):
    return [pid] + [d for c in children(pid) for d in descendants(c)]


def holders(root, model):
    """Processes under `root` that have the model mapped."""
    found = {}
    for pid in descendants(root):
        try:
            maps = mappings(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(name == model for _, name in maps):
            found[pid] = maps
    return found


def supervisor_of(found):
    """The one that is the parent of the others."""
    for pid in found:
        if sum(c in found for c in children(pid)) == len(found) - 1:
            return pid
    return None


def draw_images(folder, count):
    source = bench_detector.make_image(folder, 1000, 600)
    media = os.path.join(folder, "media")
    os.mkdir(media)
    for i in range(count):
        name = os.path.join(media, "%03d" % i)
        shutil.copy(source, name + ".png")
        with open(name + ".png", "ab") as f:
            f.write(b"%d" % i)  # after the picture's end: another medium with the same pixels
        with open(name + ".txt", "w") as f:
            f.write("a drawing of noise\n")
    return media


def wait_for(root, model, processes):
    """Watches until all compute processes work; the sample with the most memory of its own."""
    best = None
    for _ in range(120):
        found = holders(root.pid, model)
        if len(found) == processes + 1 and supervisor_of(found):
            own = supervisor_of(found)
            shared = sum(m.get(key, 0) for m in found.values() for key in found[own])
            everything = sum(sum(m.values()) for m in found.values())
            if best is None or everything > best[1]:
                best = shared, everything
        if root.poll() is not None:
            break
        time.sleep(0.5)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--program", default="build/release/pairmill")
    parser.add_argument("--processes", type=int, default=16)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = bench_detector.make_butd(folder)
        media = draw_images(folder, args.processes)
        build = subprocess.Popen([args.program, "build", media, "-o", os.path.join(folder, "corpus"),
                                  "--model", model, "--processes", str(args.processes)],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        best = wait_for(build, model, args.processes)
        build.send_signal(signal.SIGINT)
        build.wait()
    if best is None:
        raise SystemExit("the compute processes were never all seen at work")
    shared, everything = best
    print("%d compute processes and their supervisor" % args.processes)
    print("weights and program  %6.0f MB in all" % (shared * 1e-6))
    print("working memory       %6.0f MB a process" % ((everything - shared) * 1e-6 / args.processes))


if __name__ == "__main__":
    main()
