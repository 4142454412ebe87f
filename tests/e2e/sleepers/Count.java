// SPDX-License-Identifier: Apache-2.0

import java.io.*;
import java.net.*;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicLong;

/** As count.py, on a JVM: threads, a scheduled task, a heap to collect. */
public class Count {
	static final AtomicLong total = new AtomicLong();
	static final AtomicLong ticks = new AtomicLong();
	static volatile byte[] garbage;

	static String hash(String text) throws Exception {
		StringBuilder hex = new StringBuilder();
		for (byte b : MessageDigest.getInstance("SHA-256").digest(
				text.getBytes(StandardCharsets.US_ASCII)))
			hex.append(String.format("%02x", b));
		return hex.toString();
	}

	static void serve(Socket socket) {
		try (socket) {
			BufferedReader in = new BufferedReader(
				new InputStreamReader(socket.getInputStream()));
			OutputStream out = socket.getOutputStream();
			String digest = "", line;
			for (long own = 1; (line = in.readLine()) != null; own++) {
				garbage = new byte[1 << 20];
				digest = hash(digest + line);
				out.write((own + " " + total.incrementAndGet() + " " +
					ticks + " " + digest + "\n").getBytes());
			}
		} catch (Exception e) {
			e.printStackTrace();
		}
	}

	public static void main(String[] args) throws Exception {
		Executors.newScheduledThreadPool(1).scheduleWithFixedDelay(
			ticks::incrementAndGet, 2, 2, TimeUnit.MILLISECONDS);
		ExecutorService pool = Executors.newCachedThreadPool();
		try (ServerSocket listener = new ServerSocket(8080, 64)) {
			while (true) {
				Socket socket = listener.accept();
				pool.execute(() -> serve(socket));
			}
		}
	}
}
