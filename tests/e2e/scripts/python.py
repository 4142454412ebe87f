# SPDX-License-Identifier: Apache-2.0
# What Python does with a kernel: threads, processes, pools, event loops,
# databases, TLS. Its output is the same wherever Linux is.
import asyncio
import contextlib
import multiprocessing as mp
import os
import queue
import select
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor


def test_threads():
    total, lock = [0], threading.Lock()

    def work():
        for _ in range(1000):
            with lock:
                total[0] += 1
    threads = [threading.Thread(target=work) for _ in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    q = queue.Queue(2)
    feeder = threading.Thread(target=lambda: [q.put(n) for n in range(100)])
    feeder.start()
    got = sum(q.get() for _ in range(100))
    feeder.join()
    event = threading.Event()
    print(total[0], got, event.wait(0.01))
    with ThreadPoolExecutor(8) as pool:
        print(sum(pool.map(lambda n: n * n, range(200))))
    barrier = threading.Barrier(4)
    order = []
    threads = [threading.Thread(target=lambda: order.append(barrier.wait()))
               for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(sorted(order))


def test_subprocess():
    print(subprocess.run(['echo', 'hi'], capture_output=True, text=True))
    p = subprocess.Popen(['cat'], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    out, _ = p.communicate(b'x' * 300000)
    print(len(out), p.returncode)
    print(subprocess.run('exit 5', shell=True).returncode)
    p = subprocess.Popen(['cat'], stdin=subprocess.PIPE)
    p.terminate()
    print(p.wait())
    p = subprocess.Popen(['cat'], stdin=subprocess.PIPE,
                         start_new_session=True)
    try:
        p.wait(timeout=0.05)
    except subprocess.TimeoutExpired:
        print('timed out')
    os.killpg(p.pid, signal.SIGKILL)
    print(p.wait())
    try:
        subprocess.run(['/nonexistent'])
    except FileNotFoundError as e:
        print(e)
    env = subprocess.check_output(['env'], env={'ONLY': 'this'})
    print(env, subprocess.check_output(['pwd'], cwd='/'))
    fds = subprocess.check_output(
        [sys.executable, '-c',
         'import os; print(sorted(map(int, os.listdir("/proc/self/fd")))[:3])'])
    print(fds)


def square(n):
    return n * n


def put_pid(q, lock, value):
    with lock:
        value.value += 1
    q.put(os.getpid() != mp.parent_process().pid)


def echo_back(conn):
    conn.send(conn.recv() * 2)
    conn.close()


def test_multiprocessing():
    for method in 'fork', 'spawn', 'forkserver':
        ctx = mp.get_context(method)
        with ctx.Pool(3) as pool:
            squares = pool.map(square, range(50))
        q, lock, value = ctx.Queue(), ctx.Lock(), ctx.Value('i', 0)
        ps = [ctx.Process(target=put_pid, args=(q, lock, value))
              for _ in range(3)]
        for p in ps:
            p.start()
        flags = [q.get(timeout=20) for _ in ps]
        for p in ps:
            p.join()
        here, there = ctx.Pipe()
        p = ctx.Process(target=echo_back, args=(there,))
        p.start()
        here.send([1, 'two'])
        print(method, sum(squares), flags, value.value, here.recv(),
              [p.exitcode for p in ps])
        p.join()
    with ProcessPoolExecutor(2) as pool:
        print(list(pool.map(square, range(5))))
    with mp.Manager() as manager:
        d = manager.dict()
        p = mp.Process(target=d.update, args=({'k': 'v'},))
        p.start()
        p.join()
        print(dict(d))
    from multiprocessing import shared_memory
    shm = shared_memory.SharedMemory(create=True, size=65536)
    other = shared_memory.SharedMemory(name=shm.name)
    shm.buf[1000] = 77
    print(other.buf[1000])
    other.close()
    shm.close()
    shm.unlink()


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def client(port, n):
    reader, writer = await asyncio.open_connection('127.0.0.1', port)
    writer.write(b'%d' % n * 50000)
    writer.write_eof()
    data = await reader.read()
    writer.close()
    return len(data)


async def asyncio_main():
    server = await asyncio.start_server(echo, '127.0.0.1', 0)
    port = server.sockets[0].getsockname()[1]
    print(await asyncio.gather(*(client(port, n) for n in range(8, 12))))
    server.close()
    path = tempfile.mktemp()
    server = await asyncio.start_unix_server(echo, path)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b'over unix')
    writer.write_eof()
    print(await reader.read())
    writer.close()
    server.close()
    os.unlink(path)
    p = await asyncio.create_subprocess_exec(
        'tr', 'a-z', 'A-Z', stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE)
    print(await p.communicate(b'shout'), p.returncode)
    ps = [await asyncio.create_subprocess_shell(f'exit {n}')
          for n in range(4)]
    print(await asyncio.gather(*(p.wait() for p in ps)))
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, done.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(done.wait(), 10)
    print('signalled')
    print(await loop.run_in_executor(None, square, 12))
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.01)
    except asyncio.TimeoutError:
        print('timed out')


def test_asyncio():
    asyncio.run(asyncio_main())


def test_sqlite():
    with tempfile.TemporaryDirectory() as d:
        path = d + '/db'
        db = sqlite3.connect(path)
        for mode in 'delete', 'wal', 'truncate':
            print(db.execute(f'pragma journal_mode={mode}').fetchone()[0])
            with db:
                db.execute('create table if not exists t(k integer, v text)')
                db.executemany('insert into t values(?, ?)',
                               ((n, str(n) * 20) for n in range(2000)))
            print(db.execute('select count(*), sum(k) from t').fetchone())
        other = sqlite3.connect(path, timeout=0.01)
        db.execute('begin exclusive')
        try:
            other.execute('insert into t values(1, 1)')
        except sqlite3.OperationalError as e:
            print(e)
        db.rollback()
        pid = os.fork()
        if pid == 0:
            mine = sqlite3.connect(path)
            with mine:
                mine.execute("insert into t values(-1, 'child')")
            os._exit(0)
        print(os.waitpid(pid, 0)[1],
              db.execute('select v from t where k = -1').fetchone())
        db.close()
        print(sorted(os.listdir(d)))


def test_ssl():
    with tempfile.TemporaryDirectory() as d:
        subprocess.run(
            ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
             'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
             '-subj', '/CN=localhost', '-addext', 'subjectAltName='
             'DNS:localhost', '-keyout', d + '/key', '-out', d + '/cert'],
            check=True, capture_output=True)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(d + '/cert', d + '/key')
        listener = socket.create_server(('127.0.0.1', 0))

        def serve():
            with server.wrap_socket(listener.accept()[0], True) as c:
                while data := c.recv(65536):
                    c.sendall(data[::-1])
        t = threading.Thread(target=serve)
        t.start()
        ctx = ssl.create_default_context(cafile=d + '/cert')
        with socket.create_connection(listener.getsockname()) as raw:
            with ctx.wrap_socket(raw, server_hostname='localhost') as c:
                c.sendall(b'abc')
                print(c.recv(100), c.version())
                c.sendall(b'z' * 100000)
                left = 100000
                while left:
                    left -= len(c.recv(65536))
        t.join()
        listener.close()


def test_sockets():
    a, b = socket.socketpair()
    r, w = os.pipe()
    socket.send_fds(a, [b'fd'], [w])
    msg, fds, _, _ = socket.recv_fds(b, 10, 1)
    os.write(fds[0], b'through a passed descriptor')
    print(msg, os.read(r, 100))
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.bind(('127.0.0.1', 0))
    v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    v.sendto(b'datagram', u.getsockname())
    print(u.recvfrom(100)[0])
    u.settimeout(0.01)
    try:
        u.recv(1)
    except socket.timeout:
        print('timed out')
    try:
        socket.create_connection(('127.0.0.1', 1))
    except ConnectionRefusedError as e:
        print(e)
    s = socket.socket(socket.AF_UNIX)
    s.bind('\0abstract-%d' % os.getpid())
    s.listen()
    c = socket.socket(socket.AF_UNIX)
    c.connect(s.getsockname())
    peer = s.accept()[0].getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    print(int.from_bytes(peer[:4], 'little') == os.getpid())
    p = select.poll()
    p.register(b, select.POLLIN | select.POLLOUT)
    a.close()
    print([event for _, event in p.poll(0)])
    ep = select.epoll()
    ep.register(r, select.EPOLLIN | select.EPOLLET)
    os.write(w, b'1')
    print(len(ep.poll(1)), len(ep.poll(0)))
    os.write(w, b'2')
    print(len(ep.poll(1)))
    print(socket.getaddrinfo('127.0.0.1', 80, type=socket.SOCK_STREAM)[0][4])


def test_signals():
    seen = []
    signal.signal(signal.SIGALRM, lambda n, f: seen.append(n))
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.005)
    while len(seen) < 3:
        signal.pause()
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(seen[:3])
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    os.kill(os.getpid(), signal.SIGUSR2)
    print(signal.sigpending(), signal.sigwait([signal.SIGUSR2]))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])
    print(signal.sigtimedwait([signal.SIGUSR2], 0.01))
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(r)
        os.kill(os.getpid(), signal.SIGSTOP)
        os.write(w, b'continued')
        os._exit(3)
    os.close(w)
    _, status = os.waitpid(pid, os.WUNTRACED)
    print(os.WIFSTOPPED(status), os.WSTOPSIG(status))
    os.kill(pid, signal.SIGCONT)
    print(os.read(r, 100), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os.close(r)


def test_files():
    with tempfile.TemporaryDirectory() as d:
        with open(d + '/f', 'w+b') as f:
            f.write(bytes(range(256)) * 1000)
            f.flush()
            import mmap
            m = mmap.mmap(f.fileno(), 0)
            m[0:5] = b'HELLO'
            m.flush()
            f.seek(0)
            print(f.read(8), len(m))
            m.close()
            import fcntl
            fcntl.flock(f, fcntl.LOCK_EX)
            with open(d + '/f') as g:
                try:
                    fcntl.flock(g, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as e:
                    print(e)
            fcntl.lockf(f, fcntl.LOCK_EX)
            pid = os.fork()
            if pid == 0:
                with open(d + '/f', 'r+') as g:
                    try:
                        fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except OSError:
                        os._exit(11)
                os._exit(0)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        os.makedirs(d + '/a/b/c')
        os.symlink('a/b', d + '/link')
        os.link(d + '/f', d + '/hard')
        os.rename(d + '/hard', d + '/link/c/moved')
        print(sorted(os.path.relpath(os.path.join(p, n), d)
                     for p, ds, fs in os.walk(d) for n in ds + fs))
        os.chmod(d + '/f', 0o640)
        os.utime(d + '/f', (1, 2))
        st = os.stat(d + '/f')
        print(oct(st.st_mode), st.st_nlink, st.st_size, st.st_mtime)
        os.truncate(d + '/f', 10)
        a = os.open(d + '/f', os.O_RDONLY)
        b = os.open(d + '/g', os.O_WRONLY | os.O_CREAT)
        print(os.sendfile(b, a, 0, 100), os.copy_file_range(a, b, 10))
        os.close(a)
        os.close(b)
        print(os.path.getsize(d + '/g'))


def main():
    start = time.monotonic()
    for name, test in list(globals().items()):
        if name.startswith('test_') and (
                not sys.argv[1:] or name[5:] in sys.argv[1:]):
            print('==', name[5:], flush=True)
            before = time.monotonic()
            try:
                test()
            except Exception as e:
                import traceback
                traceback.print_exc()
                print('failed', type(e), e)
            sys.stdout.flush()
            if 'TIMES' in os.environ:
                print(f'{name}: {time.monotonic() - before:.3f} s',
                      file=sys.stderr)
    with contextlib.suppress(ChildProcessError):
        print('left over', os.waitpid(-1, os.WNOHANG))
    assert time.monotonic() > start


if __name__ == '__main__':
    main()
