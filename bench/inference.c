/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An inference server of our own, the least that has a real one's memory: a
 * file of weights that is mapped and read through before the first request, and
 * an answer computed from some of it. The model is a table of TOKENS vectors
 * and one dense layer; GET /TEXT takes each byte triple as a token, averages
 * their vectors, and prints the first outputs of the layer.
 *
 *	inference --make FILE: write a model (200 MiB), always the same
 *	inference FILE: serve it on port 80
 */
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define WIDTH 1024u
#define TOKENS 50944u
#define OUTPUTS 256u
#define SHOWN 4
#define MODEL_SIZE ((size_t)(TOKENS + OUTPUTS) * WIDTH * sizeof(float))

static const float *vectors, *layer;

static int make(const char *path)
{
	FILE *f = fopen(path, "w");
	uint32_t x = 1;

	if (!f)
		return 1;
	for (size_t i = 0; i < MODEL_SIZE / sizeof(float); i++) {
		float w;

		x = x * 1664525u + 1013904223u;
		w = (float)(int32_t)x / 4e9f;
		if (fwrite(&w, sizeof(w), 1, f) != 1)
			return 1;
	}
	return fclose(f) ? 1 : 0;
}

static void infer(const char *text, float out[OUTPUTS])
{
	float mean[WIDTH] = { 0 };
	unsigned int n = 0;

	for (const char *p = text; p[0] && p[1] && p[2] && *p != ' '; p++) {
		uint32_t token =
			((uint8_t)p[0] * 65599u + (uint8_t)p[1]) * 65599u +
			(uint8_t)p[2];
		const float *v = vectors + (size_t)(token % TOKENS) * WIDTH;

		for (unsigned int i = 0; i < WIDTH; i++)
			mean[i] += v[i];
		n++;
	}
	for (unsigned int o = 0; o < OUTPUTS; o++) {
		float sum = 0;

		for (unsigned int i = 0; i < WIDTH; i++)
			sum += layer[o * WIDTH + i] * mean[i];
		out[o] = tanhf(sum / (float)(n ? n : 1));
	}
}

static void answer(int client)
{
	static const char head[] = "HTTP/1.0 200 OK\r\n\r\n";
	char request[4096], text[256];
	float out[OUTPUTS];
	ssize_t n = read(client, request, sizeof(request) - 1);
	int len = 0;

	if (n <= 5)
		return;
	request[n] = '\0';
	infer(request + 5, out); /* "GET /" */
	for (int i = 0; i < SHOWN; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len,
				"%.6f%c", out[i], i < SHOWN - 1 ? ' ' : '\n');
	if (write(client, head, sizeof(head) - 1) < 0 ||
	    write(client, text, (size_t)len) < 0)
		perror("answer");
}

static int load(const char *path)
{
	int fd = open(path, O_RDONLY);
	void *map = mmap(NULL, MODEL_SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	double sum = 0;

	if (map == MAP_FAILED)
		return -1;
	close(fd);
	vectors = map;
	layer = vectors + (size_t)TOKENS * WIDTH;
	for (size_t i = 0; i < MODEL_SIZE / sizeof(float); i++)
		sum += vectors[i];
	printf("warm %.3f\n", sum);
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(80) };
	int fd;

	if (argc == 3 && strcmp(argv[1], "--make") == 0)
		return make(argv[2]);
	if (argc != 2 || load(argv[1])) {
		perror("inference: model");
		return 1;
	}
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) || listen(fd, 64)) {
		perror("inference: port 80");
		return 1;
	}
	for (;;) {
		int client = accept(fd, NULL, NULL);

		if (client >= 0)
			answer(client);
		close(client);
	}
}
