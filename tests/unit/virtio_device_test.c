/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a virtio device, with a transport that is the test: what it
 * agrees to, in which order, and that a device which lies ends the instance
 * with a line that says how.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/plat/pc/virtio.h"

static struct {
	u64 features, accepted;
	u8 status[16], nstatus; /* in the order they were written */
	u8 refused;		/* bits of it that do not stick */
	u16 queue_size;
	u32 generation, step;
	u32 bells;
} dev;

static char crash[128];
static jmp_buf after_crash;

/* --- What virtio.c needs of the machine -------------------------------------
 */

NORETURN void plat_crash(const char *reason, struct frame *regs)
{
	(void)regs;
	str_copy(crash, sizeof(crash), reason);
	longjmp(after_crash, 1);
}

paddr_t frame_alloc(unsigned int order)
{
	return (paddr_t)aligned_alloc(PAGE_SIZE, PAGE_SIZE << order);
}

void virtio_block_begin(struct virtio *d)
{
	(void)d;
}

void virtio_net_begin(struct virtio *d)
{
	(void)d;
}

void virtio_console_begin(struct virtio *d)
{
	(void)d;
}

void virtio_entropy_begin(struct virtio *d)
{
	(void)d;
}

void virtio_mmio_init(void)
{
}

void virtio_pci_init(void)
{
}

/* --- The device ------------------------------------------------------------
 */

static u64 features(struct virtio *d)
{
	(void)d;
	return dev.features;
}

static void accept(struct virtio *d, u64 wanted)
{
	(void)d;
	dev.accepted = wanted;
}

static u8 status(struct virtio *d)
{
	(void)d;
	return dev.nstatus ? dev.status[dev.nstatus - 1] & (u8)~dev.refused : 0;
}

static void set_status(struct virtio *d, u8 v)
{
	(void)d;
	assert_in_range(dev.nstatus, 0, sizeof(dev.status) - 1);
	dev.status[dev.nstatus++] = v;
}

static u16 queue_size(struct virtio *d, u16 index)
{
	(void)d;
	return index ? 0 : dev.queue_size;
}

static bool queue_set(struct virtio *d, struct virtq *q)
{
	(void)d;
	assert_true(IS_ALIGNED((u64)q->ring.desc, PAGE_SIZE));
	return true;
}

static void notify(const struct virtq *q)
{
	assert_int_equal(q->index, 0);
	dev.bells++;
}

static u32 generation(struct virtio *d)
{
	(void)d;
	return dev.generation += dev.step;
}

static bool irq(struct virtio *d)
{
	(void)d;
	return true;
}

static const struct virtio_transport transport = {
	.features = features,
	.accept = accept,
	.status = status,
	.set_status = set_status,
	.queue_size = queue_size,
	.queue_set = queue_set,
	.notify = notify,
	.generation = generation,
	.irq = irq,
};
static struct virtio device;
static u8 config[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
static struct virtq queue;

static int setup(void **state)
{
	(void)state;
	memset(&dev, 0, sizeof(dev));
	dev.features = VIRTIO_F_VERSION_1 | 0xf0;
	dev.queue_size = 8;
	crash[0] = '\0';
	device = (struct virtio){ .transport = &transport,
				  .config = config,
				  .config_len = sizeof(config),
				  .name = "liar" };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(queue.ring.desc);
	free(queue.ring.avail);
	free(queue.ring.used);
	free(queue.ring.slots);
	memset(&queue, 0, sizeof(queue));
	return 0;
}

#define assert_crash(call, part)                          \
	do {                                              \
		if (!setjmp(after_crash)) {               \
			call;                             \
			fail_msg("no crash: %s", part);   \
		}                                         \
		assert_non_null(strstr(crash, part));     \
		assert_non_null(strstr(crash, "liar: ")); \
	} while (0)

/* --- Tests -------------------------------------------------------------------
 */

/* Some hypervisors take one bit at a time only (2.1, 3.1.1). */
static void test_beginning(void **state)
{
	static const u8 order[] = { 0, 1, 3, 0xb, 0xf };

	(void)state;
	assert_true(virtio_begin(&device, 0x30));
	assert_int_equal(dev.accepted, VIRTIO_F_VERSION_1 | 0x30);
	assert_true(virtq_init(&queue, &device, 0, 4));
	assert_int_equal(queue.size, 4);
	virtio_go(&device);
	assert_int_equal(dev.nstatus, sizeof(order));
	assert_memory_equal(dev.status, order, sizeof(order));
}

static void test_old_device(void **state)
{
	(void)state;
	dev.features = 0xf0;
	assert_false(virtio_begin(&device, 0x30));
	assert_int_equal(dev.accepted, 0);
}

static void test_refuses_features(void **state)
{
	(void)state;
	dev.refused = 8;
	assert_false(virtio_begin(&device, 0x30));
}

static void test_queue_sizes(void **state)
{
	static const u16 bad[] = { 0, 3, 5, 0x7fff };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		dev.queue_size = bad[i];
		assert_false(virtq_init(&queue, &device, 0, 0x8000));
	}
	dev.queue_size = 0x8000;
	assert_false(virtq_init(&queue, &device, 1, 4)); /* there is none */
	assert_true(virtq_init(&queue, &device, 0, 64));
	assert_int_equal(queue.size, 64);
}

static void test_config(void **state)
{
	u8 got[8];

	(void)state;
	virtio_config(&device, 2, got, 3);
	assert_memory_equal(got, config + 2, 3);
	device.config_len = 4;
	assert_crash(virtio_config(&device, 0, got, 8), "too short");
	assert_crash(virtio_config(&device, 4, got, 1), "too short");
	assert_crash(virtio_config(&device, ~0u, got, 1), "too short");
	dev.step = 1;
	assert_crash(virtio_config(&device, 0, got, 4), "for ever");
}

static void test_ring(void **state)
{
	struct virtq_piece piece = { 0x1000, 16, true };
	u32 len;
	int owner;

	(void)state;
	assert_true(virtq_init(&queue, &device, 0, 4));
	assert_true(virtq_add(&queue, &piece, 1, &owner));
	virtq_notify(&queue);
	assert_int_equal(dev.bells, 1);
	assert_null(virtq_get(&queue, &len));
	queue.ring.used->ring[0] = (struct virtq_used){ 3, 0 };
	queue.ring.used->index = 1;
	assert_crash(virtq_get(&queue, &len), "not given");
	queue.ring.used->ring[0] = (struct virtq_used){ 0, 17 };
	assert_crash(virtq_get(&queue, &len), "more than there is room");
	queue.ring.used->index = 9;
	assert_crash(virtq_get(&queue, &len), "jumps");
	queue.ring.used->index = 1;
	queue.ring.used->ring[0] = (struct virtq_used){ 0, 16 };
	assert_ptr_equal(virtq_get(&queue, &len), &owner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_beginning, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_old_device, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_refuses_features, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_queue_sizes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_config, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ring, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
