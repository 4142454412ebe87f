# SPDX-License-Identifier: Apache-2.0
"""Jiffy's kernel and Debian's cloud kernel as guests of the same emulator: same
machine, processor, memory, network device and program files. Linux has them in
an initramfs whose first program does the least (bench/vm/init.c). Emulated
(TCG): instructions are counted exactly, by a plugin; rates and times say
nothing about hardware virtualisation. Needs root, for a network of its own."""
import ctypes
import glob
import json
import mmap
import os
import re
import shutil
import socket
import statistics
import struct
import subprocess
import time
import traceback

from pair import BUILD, JIFFY, OUT, image, row, run, save

HOST, GUEST = "10.77.0.1", "10.77.0.2"
MAC = "52:54:00:77:00:02"
ROUNDS = int(os.environ.get("VM_ROUNDS", "5"))
MEMORY = os.environ.get("VM_MEMORY", "256")
NGINX_CONF = """daemon off; worker_processes 1; pid /tmp/nginx.pid;
error_log /dev/null; events { worker_connections 1024; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
client_body_temp_path /tmp/b; proxy_temp_path /tmp/p;
fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
server { listen 80; root /www; } }"""
NGINX = ["/tests/nginx", "-c", "/etc/nginx.conf"]
REDIS = ["/tests/redis-server", "--save", "", "--appendonly", "no",
         "--protected-mode", "no"]
# In the order in which they need each other.
MODULES = ["virtio/virtio_ring.ko", "virtio/virtio.ko",
           "virtio/virtio_mmio.ko", "net/core/failover.ko",
           "net/net_failover.ko", "net/virtio_net.ko"]


def own_network():
    """This process and its children: a network with one tap device."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x40000000):  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "a network of its own needs root")
    for command in ("ip link set lo up",
                    "ip tuntap add dev tap0 mode tap vnet_hdr",
                    f"ip addr add {HOST}/24 dev tap0",
                    "ip link set tap0 up",
                    f"ip neigh add {GUEST} lladdr {MAC} dev tap0"):
        run(command.split())


def make_root(base):
    """The files of both guests."""
    root = os.path.join(base, "root")
    redis = os.path.realpath(shutil.which("redis-server"))
    run(["tools/guest-root", root, shutil.which("nginx") or "/usr/sbin/nginx",
         redis])
    target = root + "/tests/redis-server"
    if not os.path.exists(target):  # redis-check-rdb is the same file
        os.rename(f"{root}/tests/{os.path.basename(redis)}", target)
    for d in ("www", "var/log/nginx", "var/lib/nginx"):
        os.makedirs(os.path.join(root, d))
    for name, size in (("1k", 1024), ("100k", 102400)):
        with open(f"{root}/www/{name}", "wb") as f:
            f.write(b"x" * size)
    with open(root + "/etc/nginx.conf", "w") as f:
        f.write(NGINX_CONF)
    with open(root + "/etc/passwd", "a") as f:
        f.write("www-data:x:33:33::/var/www:/bin/false\n")
    return root


def linux_package(base):
    """Debian's cloud kernel, unpacked: (kernel, directory of modules)."""
    depends = run(["apt-cache", "depends", "linux-image-cloud-amd64"])
    name = re.search(r"Depends: (\S+)", depends)[1]
    cache = os.path.join(OUT, "linux")
    os.makedirs(cache, exist_ok=True)
    if not glob.glob(f"{cache}/{name}_*.deb"):
        run(["apt-get", "download", name], cwd=cache, timeout=280)
    deb = sorted(glob.glob(f"{cache}/{name}_*.deb"))[-1]
    run(["dpkg-deb", "-x", deb, base + "/linux"])
    return (glob.glob(base + "/linux/boot/vmlinuz-*")[0],
            glob.glob(base + "/linux/lib/modules/*/kernel")[0])


def make_initramfs(base, root, modules):
    tree = base + "/initramfs"
    shutil.copytree(root, tree, symlinks=True)
    run(["gcc", "-O2", "-static", "-s", "bench/vm/init.c", "-o",
         tree + "/init"])
    names = []
    for name in MODULES:
        path = os.path.join(modules, name)
        if not os.path.exists(path):
            path = os.path.join(modules, "drivers", name)
        shutil.copy(path, tree)
        names.append("/" + os.path.basename(name))
    with open(tree + "/modules", "w") as f:
        f.write("\n".join(names) + "\n")
    out = base + "/initramfs.cpio"
    subprocess.run(f"cd {tree} && find . | busybox cpio -o -H newc "
                   f">{out} 2>{base}/cpio.log", shell=True, check=True)
    return out


class Guest:
    """One of the two kernels, with the program it runs."""

    def __init__(self, args, log):
        self.args, self.log = args, log
        self.kernel = args[args.index("-kernel") + 1]
        self.counts = None

    def start(self, plugin=None):
        args = ["qemu-system-x86_64", "-cpu", "max", "-m", MEMORY, "-accel",
                "tcg", "-nodefaults", "-no-user-config", "-display", "none",
                "-no-reboot", "-serial", "file:" + self.log,
                "-global", "virtio-mmio.force-legacy=false",
                "-netdev", "tap,id=n,ifname=tap0,script=no,downscript=no",
                "-device", f"virtio-net-device,netdev=n,mac={MAC}",
                *self.args]
        if plugin:
            self.counts = self.log + ".counts"
            args += ["-plugin", f"{plugin},counts={self.counts}"]
        self.started = time.perf_counter()
        self.proc = subprocess.Popen(args, stdin=subprocess.DEVNULL)
        return self

    def stop(self):
        self.proc.kill()
        self.proc.wait()

    def instructions(self):
        with open(self.counts, "rb") as f:
            return struct.unpack("<Q", f.read(8))[0]

    def profile(self):
        """Instructions by address of block."""
        blocks = {}
        with open(self.counts, "rb") as f:
            m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
            n = struct.unpack_from("<Q", m, 8)[0]
            for address, count in struct.iter_unpack("<QQ", m[16:16 + n * 16]):
                blocks[address] = blocks.get(address, 0) + count
        return blocks


TSC = """#include <stdio.h>
#include <time.h>
#include <x86intrin.h>
static long now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t);
return t.tv_sec * 1000000000L + t.tv_nsec; }
int main(void) { long t = now(), d; unsigned long c = __rdtsc();
while ((d = now() - t) < 200000000L); 
printf("%.0f", (__rdtsc() - c) * 1e6 / d); }"""


def tsc_khz(base):
    """The emulated counter runs at the host's rate. Linux has nothing on this
    machine that it could measure it against, and waits for ever."""
    run(["gcc", "-O2", "-x", "c", "-", "-o", base + "/tsc"], input=TSC)
    return run([base + "/tsc"])


def linux_guest(base, kernel, initramfs, program):
    quoted = " ".join(f'"{a}"' if not a else a for a in program)
    return Guest(["-M", "microvm", "-kernel", kernel, "-initrd", initramfs,
                  "-append", "quiet console=ttyS0 panic=-1 reboot=t "
                  f"random.trust_cpu=on tsc_early_khz={tsc_khz(base)} -- " + quoted], base + "/linux.log")


def jiffy_guest(base, disk, program, ports):
    module = f"{base}/{os.path.basename(program[0])}.module"
    with open(module, "wb") as f:
        subprocess.run([BUILD + "/tests/pc/boot", disk, *program], stdout=f,
                       check=True, env=dict(os.environ, PORTS=ports))
    return Guest(["-M", "microvm", "-kernel",
                  base + "/kernel", "-initrd", module,
                  "-append", f"jiffy.ip={GUEST}/24,{HOST}",
                  "-drive", f"if=none,id=d0,format=raw,readonly=on,file={disk}",
                  "-device", "virtio-blk-device,drive=d0"],
                 base + "/jiffy.log")


def connect(guest, port, seconds=60):
    """A connection, tried anew every few milliseconds: a SYN that is lost is
    sent again by the client only after a second."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        if guest.proc.poll() is not None:
            raise RuntimeError("the guest ended, see " + guest.log)
        s = socket.socket()
        s.settimeout(0.02)
        try:
            s.connect((GUEST, port))
            s.settimeout(30)
            return s
        except OSError:
            s.close()
            time.sleep(0.001)
    raise TimeoutError(guest.log)


def first_byte(guest):
    """Milliseconds from the emulator's start."""
    guest.start()
    try:
        with connect(guest, 80) as s:
            s.sendall(b"GET /1k HTTP/1.0\r\n\r\n")
            if not s.recv(1):
                raise RuntimeError("no answer")
            return (time.perf_counter() - guest.started) * 1e3
    finally:
        guest.stop()


def boot(base, *options):
    """Microseconds from the kernel's entry to the program's first instruction,
    in a machine of `jiffy run`."""
    stats = base + "/stats"
    run([JIFFY, "run", "--rm", "--platform=qemu", "--stats=" + stats, *options,
         "bench-vm", "/tests/nginx", "-v"])
    with open(stats) as f:
        times = json.load(f)["startup"]
    return times["kernel_us"] + times["exec_us"] + times["first_user_us"]


def ab(n, path="1k"):
    """n requests over 16 connections; a second's worth of them."""
    out = run(["ab", "-q", "-k", "-n", str(n), "-c", "16",
               f"http://{GUEST}/{path}"])
    if "Failed requests:        0" not in out:
        raise RuntimeError(out)
    return float(re.search(r"Requests per second:\s+([0-9.]+)", out)[1])


def redis_bench(op, n, pipeline=1):
    out = run(["redis-benchmark", "-h", GUEST, "-t", op.lower(), "-n", str(n),
               "-P", str(pipeline), "-c", "16", "--csv"])
    return float(out.splitlines()[-1].split(",")[1].strip('"'))


# What is asked of each server: (row, n requests, the n).
LOADS = {
    "nginx": [("nginx: 1k", ab, 4000),
              ("nginx: 100k", lambda n: ab(n, "100k"), 800)],
    "redis": [("redis: GET", lambda n: redis_bench("GET", n), 8000),
              ("redis: SET", lambda n: redis_bench("SET", n), 8000),
              ("redis: GET pipeline 16",
               lambda n: redis_bench("GET", n, 16), 32000)]}
PORTS = {"nginx": 80, "redis": 6379}


def served(guest, name, ask, plugin=None):
    """ask() of each of the service's loads, by a guest that answers."""
    guest.start(plugin)
    try:
        connect(guest, PORTS[name]).close()
        return [ask(guest, load, n) for _, load, n in LOADS[name]]
    finally:
        guest.stop()


def below_kernel(guest):
    """Instructions so far at addresses that Linux gives to programs."""
    return sum(n for at, n in guest.profile().items() if at < 1 << 47)


def count(guest, load, n):
    """Instructions of each of n requests, the guest warm: all, and the program's
    own, which only Linux's addresses tell apart."""
    load(n // 4)
    before, own = guest.instructions(), below_kernel(guest)
    load(n)
    return ((guest.instructions() - before) / n,
            (below_kernel(guest) - own) / n)


def make_guests(base):
    root = make_root(base)
    image("bench-vm", "dir:" + root)
    disk = glob.glob(os.environ["JIFFY_HOME"] + "/images/sha256/*/root.erofs")
    disk = max(disk, key=os.path.getmtime)
    kernel, modules = linux_package(base)
    initramfs = make_initramfs(base, root, modules)
    return {name: (jiffy_guest(base, disk, program, port),
                   linux_guest(base, kernel, initramfs, program))
            for name, program, port in (("nginx", NGINX, "80"),
                                        ("redis", REDIS, "6379"))}


def strip(base):
    """The kernel as it is installed: without what debuggers read."""
    run(["strip", "-o", base + "/kernel", BUILD + "/jiffy-kernel-pc"])
    return base + "/kernel"


def measure(base):
    strip(base)
    guests = make_guests(base)
    own_network()
    plugin = base + "/count.so"
    run(["gcc", "-O2", "-shared", "-fPIC", "bench/vm/count.c", "-o", plugin])
    med = statistics.median
    size = os.path.getsize(base + "/kernel") / 1000
    row("kernel file", size, os.path.getsize(guests["nginx"][1].kernel) / 1000,
        "KB", "<= 1 MB", "linux vm")
    times = [(boot(base), boot(base, "--net=packet")) for _ in range(ROUNDS)]
    row("boot to first instruction", *[med(t) for t in zip(*times)], "us", None,
        "with a network card")
    times = [[first_byte(g) for g in guests["nginx"]] for _ in range(ROUNDS)]
    row("nginx: first byte", *[med(t) for t in zip(*times)], "ms", "<= 0.1",
        "linux vm")
    for name, pair in guests.items():
        counted = [served(g, name, count, plugin) for g in pair]
        for (what, *_), jiffy, linux in zip(LOADS[name], *counted):
            row(what + " instructions", jiffy[0], linux[0], "", "<= 0.6",
                "linux vm")
            row(what + " instructions, no kernel", linux[1], linux[0], "",
                "the least", "linux vm")
    for name, pair in guests.items():
        rates = [[served(g, name, lambda _, load, n: load(2 * n))
                  for g in pair] for _ in range(ROUNDS)]
        for i, (what, *_) in enumerate(LOADS[name]):
            row(what + " req/s", *[med(r[i] for r in side)
                                   for side in zip(*rates)],
                "1/s", ">= 1.5 (emulated)", "linux vm")
    save("vm")


def bench_vm():
    """In a child: its network is not that of the other benchmarks."""
    base = os.path.join(OUT, "vm")
    shutil.rmtree(base, ignore_errors=True)
    os.makedirs(base)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            measure(base)
            code = 0
        except Exception:  # a child has nobody who would print it
            traceback.print_exc()
        finally:
            os._exit(code)
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError("bench vm failed")
