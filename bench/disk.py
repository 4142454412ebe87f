# SPDX-License-Identifier: Apache-2.0
"""fio on a volume beside the same job on a file in a directory of the host's
ext4, which is on the same disk as the volume's file. Each run is an instance
of its own; the sides take turns."""
import json
import os
import shutil
import statistics
import subprocess
import tempfile

from pair import JIFFY, OUT, image, row, run, save

VOLUME = f"bench-fio-{os.getpid()}"
SIZE = os.environ.get("SIZE", "256m")
SECONDS = os.environ.get("SECONDS", "2")
BAR = ">= 0.8"

TIMED = f"--time_based --runtime={SECONDS}"
NEW = "--create_on_open=1 --fallocate=none"
# Name: what is measured, whether the file is made anew, whether no cache has
# it, and fio's words. Reads of what is in memory have been through it before.
JOBS = {
    "write 1m, fsync": ("bw", True, False,
                        f"--rw=write --bs=1m {NEW} --end_fsync=1"),
    "overwrite 1m, fsync": ("bw", False, False,
                            "--rw=write --bs=1m --overwrite=1 --end_fsync=1"),
    "write 4k-256k, fsync": ("bw", True, False,
                             f"--rw=write --bsrange=4k-256k {NEW} "
                             "--end_fsync=1"),
    "read 1m, cold": ("bw", False, True, "--rw=read --bs=1m"),
    "read 1m": ("bw", False, False,
                f"--rw=read --bs=1m --pre_read=1 --invalidate=0 {TIMED}"),
    "randread 8k, cold": ("iops", False, True,
                          f"--rw=randread --bs=8k {TIMED}"),
    "randread 8k": ("iops", False, False,
                    f"--rw=randread --bs=8k --pre_read=1 --invalidate=0 "
                    f"{TIMED}"),
    "randwrite 8k, fsync=32": ("iops", False, False,
                               f"--rw=randwrite --bs=8k --overwrite=1 "
                               f"--fsync=32 {TIMED}"),
    "append 8k, fdatasync": ("iops", True, False,
                             f"--rw=write --bs=8k {NEW} --fdatasync=1 "
                             f"--runtime={SECONDS}"),
    "randrw 4k-64k": ("iops", False, False,
                      f"--rw=randrw --bsrange=4k-64k --rwmixread=70 "
                      f"--overwrite=1 {TIMED}"),
    "write 1m, direct": ("bw", True, False,
                         f"--rw=write --bs=1m {NEW} --direct=1"),
    "randwrite 8k, direct": ("iops", False, False,
                             f"--rw=randwrite --bs=8k --overwrite=1 "
                             f"--direct=1 {TIMED}"),
    "randread 8k, direct": ("iops", False, True,
                            f"--rw=randread --bs=8k --direct=1 {TIMED}"),
}
FIO = ["fio", "--name=job", "--filename=file", "--ioengine=psync",
       "--randrepeat=1", "--output-format=json"]


class Side:
    """Where fio runs: a command in front of it and the file below."""

    def __init__(self, prefix, cwd, file):
        self.prefix, self.cwd, self.file = prefix, cwd, file

    def fio(self, words):
        out = run([*self.prefix, *FIO, *words.split()], cwd=self.cwd)
        return json.loads(out[out.index("{"):])["jobs"][0]

    def measure(self, unit, is_new, is_cold, words):
        if is_new:
            run([*self.prefix, "rm", "-f", "file"], cwd=self.cwd)
        else:
            self.fio(f"--rw=write --bs=1m --size={SIZE} --end_fsync=1")
        if is_cold:
            with open(self.file, "rb") as f:
                os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        job = self.fio(f"--size={SIZE} {words}")
        key = "iops" if unit == "iops" else "bw_bytes"
        return sum(job[way][key] for way in ("read", "write"))


def bench_fio():
    """Sequential and random, cached, synced and direct."""
    base = tempfile.mkdtemp(dir=OUT)
    image("bench-fio", "deb:fio,coreutils")
    run([JIFFY, "volume", "create", "--size", "4G", VOLUME])
    volume = json.loads(run([JIFFY, "volume", "inspect", VOLUME]))[0]
    native = Side([], base, os.path.join(base, "file"))
    jiffy = Side([JIFFY, "run", "--rm", "-m", "2G", "-w", "/data", "-v",
                  f"{VOLUME}:/data", "bench-fio"], None, volume["path"])
    chosen = os.environ.get("JOBS", "").split(";")
    try:
        for name, job in JOBS.items():
            if chosen != [""] and name not in chosen:
                continue
            rates = [[side.measure(*job) for side in (jiffy, native)]
                     for _ in range(int(os.environ.get("ROUNDS", "3")))]
            j, n = [statistics.median(x) for x in zip(*rates)]
            if job[0] == "bw":
                row(f"fio: {name}", j / 1e6, n / 1e6, "MB/s", BAR)
            else:
                row(f"fio: {name}", j, n, "1/s", BAR)
    finally:
        save("fio")
        shutil.rmtree(base)
        subprocess.run([JIFFY, "volume", "rm", VOLUME], check=False)
