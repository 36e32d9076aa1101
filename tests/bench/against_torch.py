"""What the benchmarks against torch share: both sides run in turn on the same weights and pictures, one
thread each, and medians of their CPU times are compared; pairmill's share of the core's peak is the
multiply-adds of the plain convolutions, over the time, over the multiply-adds that a loop of nothing
else reaches.
"""
import os
import re
import statistics
import subprocess
import time

import torch

PEAK = r"""
#include <stdio.h>
#include <time.h>
#define N %d
typedef float v __attribute__((vector_size(N * 4)));
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}
int main(void)
{
    double best = 1e9;
    float sum = 0;
    for (int r = 0; r < 7; r++) {
        v a[12] = {{0}}, x = {0}, y = {0};
        x += 0.999f, y += 0.5f;
        for (int i = 0; i < 12; i++)
            a[i] += (float)i; /* or the compiler would find the sums equal and compute few */
        const double t = now();
        for (long k = 0; k < 5000000; k++)
            for (int i = 0; i < 12; i++)
                a[i] = a[i] * x + y;
        const double d = now() - t;
        best = d < best ? d : best;
        for (int i = 0; i < 12; i++)
            sum += a[i][0];
    }
    fprintf(stderr, "%%g", (double)sum);
    printf("%%g\n", 5e6 * 12 * N / best);
}
"""


def peak_macs(folder):
    """Multiply-adds a second of one core, by a loop of independent FMAs."""
    best = 0
    for width in (8, 16):
        source = os.path.join(folder, "peak.c")
        with open(source, "w") as f:
            f.write(PEAK % width)
        subprocess.run(["cc", "-O3", "-march=native", "-ffp-contract=fast",
                        "-mprefer-vector-width=%d" % (32 * width), "-o", source[:-2], source],
                       check=True)
        out = subprocess.run([source[:-2]], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        best = max(best, float(out.stdout))
    return best


def profile(program, model, pictures, extra=()):
    """([CPU seconds, one a run through the network], GMAC of one, the line that names the kernels)"""
    out = subprocess.run([program, "detect", "--profile", "--model", model, *extra, *pictures],
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
    lines = out.stderr.decode().splitlines()
    totals = [line.split() for line in lines if re.match(r"all\s", line)]
    return [float(t[1]) * 1e-3 for t in totals], float(totals[-1][3]), lines[0]


def timed(run):
    """CPU seconds of run(), and what it returns."""
    start = time.process_time()
    with torch.no_grad():
        result = run()
    return time.process_time() - start, result


def compare(title, folder, rounds, ours, theirs):
    """ours() is profile()'s result, of which the last run counts: as in torch's process, memory has
    been used before. theirs() runs torch's side once. Prints the medians and their ratio."""
    torch.set_num_threads(1)
    theirs()  # torch chooses its algorithms
    seconds, torch_seconds, peaks = [], [], []
    for _ in range(rounds):
        times, gmac, kernels = ours()
        seconds.append(times[-1])
        torch_seconds.append(timed(theirs)[0])
        peaks.append(peak_macs(folder))
    mine, other, peak = statistics.median(seconds), statistics.median(torch_seconds), max(peaks)
    print("%s; %s" % (title, kernels))
    print("torch %s  %8.3f s" % (torch.__version__, other))
    print("pairmill         %8.3f s   %.1f GMAC" % (mine, gmac))
    print("torch / pairmill %8.2f" % (other / mine))
    print("share of peak    %7.0f %%   (peak %.0f GFLOP/s)" % (100 * gmac * 1e9 / mine / peak,
                                                              2e-9 * peak))
