# SPDX-License-Identifier: Apache-2.0
# image: java
# A compiler, an HTTP server that a second process attaches to, and collectors
# at work in a small heap.
set -eu
cd /tmp
cat >Server.java <<'E'
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.*;
import java.util.concurrent.*;
public class Server {
	public static void main(String[] args) throws Exception {
		HttpServer s = HttpServer.create(new InetSocketAddress(0), 0);
		s.setExecutor(Executors.newFixedThreadPool(8));
		s.createContext("/", x -> {
			byte[] b = ("hello " + x.getRequestURI()).getBytes();
			x.sendResponseHeaders(200, b.length);
			x.getResponseBody().write(b);
			x.close();
		});
		s.start();
		HttpClient c = HttpClient.newHttpClient();
		String url = "http://127.0.0.1:" + s.getAddress().getPort();
		CompletableFuture<?>[] all = new CompletableFuture<?>[200];
		for (int i = 0; i < all.length; i++) {
			String path = "/" + i;
			all[i] = c.sendAsync(
				HttpRequest.newBuilder(URI.create(url + path)).build(),
				HttpResponse.BodyHandlers.ofString()
			).thenAccept(r -> {
				if (!r.body().equals("hello " + path))
					throw new Error(r.body());
			});
		}
		CompletableFuture.allOf(all).get();
		System.out.println("served");
		System.out.flush();
		Thread.sleep(100000);
	}
}
E
cat >Garbage.java <<'E'
import java.util.*;
import java.util.concurrent.*;
public class Garbage {
	static void ok(byte[] b) {
		if (b != null && b[0] != b[b.length - 1])
			throw new Error("corrupt");
	}
	static int work(long seed) {
		Random random = new Random(seed);
		Map<Integer, byte[]> kept = new HashMap<>();
		long end = System.nanoTime() + 2_000_000_000L;
		for (int i = 0; System.nanoTime() < end; i++) {
			byte[] b = new byte[random.nextInt(8192) + 1];
			b[0] = b[b.length - 1] = (byte)i;
			ok(kept.put(random.nextInt(2000), b));
			if (i % 5000 == 0)
				kept.keySet().removeIf(k -> k % 3 == 0);
		}
		kept.values().forEach(Garbage::ok);
		return 1;
	}
	public static void main(String[] args) throws Exception {
		ExecutorService pool = Executors.newFixedThreadPool(4);
		List<Future<Integer>> all = new ArrayList<>();
		for (int i = 0; i < 4; i++) {
			long seed = i;
			all.add(pool.submit(() -> work(seed)));
		}
		int n = 0;
		for (Future<Integer> f : all)
			n += f.get();
		pool.shutdown();
		System.out.println("threads " + n);
	}
}
E
javac Server.java Garbage.java
java -Xmx128m Server >out 2>&1 &
server=$!
until grep -q served out; do
	kill -0 $server || { cat out; exit 1; }
	sleep 0.1
done
jcmd -l | grep -q "^$server Server"
jcmd $server VM.version | grep -q 'version 17'
jcmd $server GC.heap_info | grep -q 'Metaspace.*used'
jcmd $server Thread.print >threads
grep -q '"main" #1 .*' threads
grep -q 'java.lang.Thread.sleep' threads
jmap -histo $server >histo
grep -q 'java.lang.String ' histo
kill $server
status=0
wait $server || status=$?
[ $status = 143 ]
for collector in Serial Parallel G1 Z Shenandoah; do
	echo $collector
	[ "$(java -Xmx192m -XX:+Use${collector}GC Garbage)" = 'threads 4' ]
done
# the heap ends where it was told to
! java -Xmx16m -XX:+ExitOnOutOfMemoryError -cp . -Xlog:disable Garbage >out 2>&1 ||
	[ "$(cat out)" = 'threads 4' ]
