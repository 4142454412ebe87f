/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time: the processor's counter, at the rate that the hypervisor tells (its
 * clock page, or CPUID), else measured against the old timer chip. Real time is
 * the hypervisor's wall clock, or the clock chip's.
 */
#include "abi/boot.h"
#include "kernel/cpu/cpuid.h"
#include "kernel/cpu/vdso.h"
#include "kernel/plat/pc/pc.h"

#define PHYSICAL_DATA 0x400000UL /* kernel.lds */
#define KVM_SIGNATURE 0x40000000
#define KVM_FEATURES 0x40000001
#define KVM_FEATURE_CLOCK2 (1u << 3)
#define MSR_KVM_WALL_CLOCK 0x4b564d00
#define MSR_KVM_SYSTEM_TIME 0x4b564d01

/* Linux's Documentation/virt/kvm/x86/msr.rst. */
struct kvm_time {
	u32 version, pad0;
	u64 tsc, system_time;
	u32 mul;
	s8 shift;
	u8 flags, pad[2];
};
struct kvm_wall {
	u32 version, sec, nsec;
};

bool clock_has_deadline;
static u64 tsc_start;
static u64 tsc_hz;
/* nsec = ticks * mul >> 32, for ticks of less than some hours each. */
static u64 ns_mul;
static u64 tsc_mul; /* the other way */
static nsec_t real_offset;

static struct kvm_time kvm_page ALIGNED(64);
static struct kvm_time kvm_time; /* what was there once */
static struct kvm_wall kvm_wall ALIGNED(64);

/* Both run for the program, too (vDSO): on its stack, without the kernel's
 * registers. */
#define CLOCK_TEXT SECTION(".text.clock") NOINLINE

CLOCK_TEXT nsec_t clock_now(void)
{
	u64 ticks = rdtsc() - tsc_start;

	return (nsec_t)((unsigned __int128)ticks * ns_mul >> 32);
}

CLOCK_TEXT static s64 clock_gettime(int id, struct vdso_timespec *ts)
{
	nsec_t now = clock_now();

	if (id == CLOCK_REALTIME_ID || id == CLOCK_REALTIME_COARSE_ID ||
	    id == CLOCK_TAI_ID)
		now += real_offset;
	ts->sec = now / NSEC_PER_SEC;
	ts->nsec = now % NSEC_PER_SEC;
	return 0;
}

CLOCK_TEXT static s64 clock_gettimeofday(struct vdso_timeval *tv,
					 UNUSED void *tz)
{
	struct vdso_timespec ts;

	clock_gettime(CLOCK_REALTIME_ID, &ts);
	tv->sec = ts.sec;
	tv->usec = ts.nsec / 1000;
	return 0;
}

CLOCK_TEXT static int getcpu(u32 *cpu, u32 *node, UNUSED void *unused)
{
	if (cpu)
		*cpu = cpu_index();
	if (node)
		*node = 0;
	return 0;
}

/* The kernel's data is one piece, as it was loaded. */
static paddr_t physical_of(const void *p)
{
	return PHYSICAL_DATA + ((u64)p - KERNEL_DATA_BASE);
}

/* Ticks a second from what the hypervisor multiplies them with. */
static u64 hz_of(const struct kvm_time *t)
{
	u64 hz = t->mul ? (NSEC_PER_SEC << 32) / t->mul : 0;

	return t->shift < 0 ? hz << -t->shift : hz >> t->shift;
}

/* Its version is odd while it changes. */
static struct kvm_time read_kvm_page(void)
{
	struct kvm_time t;
	u32 version;

	do {
		version = atomic_load_acquire(&kvm_page.version);
		t = kvm_page;
		__asm__ volatile("" : : : "memory");
	} while (version & 1 || version != atomic_load(&kvm_page.version));
	return t;
}

static void ask_kvm(void)
{
	u32 a, b, c, d;

	__cpuid(KVM_SIGNATURE, a, b, c, d);
	if (b != 0x4b4d564b || c != 0x564b4d56 || d != 0x4d)
		return; /* "KVMKVMKVM" */
	__cpuid(KVM_FEATURES, a, b, c, d);
	if (!(a & KVM_FEATURE_CLOCK2))
		return;
	wrmsr(MSR_KVM_SYSTEM_TIME, physical_of(&kvm_page) | 1);
	kvm_time = read_kvm_page();
	wrmsr(MSR_KVM_SYSTEM_TIME, 0);
	tsc_hz = hz_of(&kvm_time);
	wrmsr(MSR_KVM_WALL_CLOCK, physical_of(&kvm_wall));
}

/* The hypervisor's clock when the counter was at `tsc`: since the wall clock
 * that it told. */
static nsec_t kvm_clock_at(u64 tsc)
{
	u64 ticks = tsc - kvm_time.tsc;

	ticks = kvm_time.shift < 0 ? ticks >> -kvm_time.shift
				   : ticks << kvm_time.shift;
	return (nsec_t)(kvm_time.system_time +
			(u64)((unsigned __int128)ticks * kvm_time.mul >> 32));
}

/* The processor's word: crystal, and ticks per crystal. */
static void ask_processor(void)
{
	u32 a, b, c, d;

	if (__get_cpuid_max(0, NULL) < 0x15)
		return;
	__cpuid(0x15, a, b, c, d);
	if (a && b && c)
		tsc_hz = (u64)c * b / a;
}

#define PIT_HZ 1193182UL
#define PIT_TICKS (PIT_HZ / 500) /* 2 ms */
#define PIT_TRIES 30000u
#define PIT_LOOKS 4
#define PIT_MEASURES 8

/* What is left of the timer chip's first channel. */
static u32 pit_left(void)
{
	u32 low;

	outb(0x43, 0); /* latch it */
	low = inb(0x40);
	return low | (u32)inb(0x40) << 8;
}

/* A moment by both: of some looks the quickest, as a hypervisor may have us
 * wait in the middle of one. */
static u32 look(u64 *tsc)
{
	u64 best = ~0UL;
	u32 left = 0;

	for (u32 i = 0; i < PIT_LOOKS; i++) {
		u64 before = rdtsc(), after;
		u32 now = pit_left();

		after = rdtsc();
		if (after - before >= best)
			continue;
		best = after - before;
		left = now;
		*tsc = before + best / 2;
	}
	return left;
}

/* Against the timer chip, counting down from 65,535: false, if the time was
 * missed in which it does that once. */
static bool measure_once(void)
{
	u32 first, left, tries = 0;
	u64 start, end;

	outb(0x43, 0x30);
	outb(0x40, 0xff);
	outb(0x40, 0xff);
	first = look(&start);
	do
		left = pit_left();
	while (left <= first && first - left < PIT_TICKS &&
	       ++tries < PIT_TRIES);
	left = look(&end);
	/* It goes round in 55 ms: more often it was not. */
	if (left >= first || first - left > 4 * PIT_TICKS)
		return false;
	tsc_hz = (end - start) * PIT_HZ / (first - left);
	return true;
}

static void measure(void)
{
	for (u32 i = 0; i < PIT_MEASURES && !measure_once(); i++)
		;
}

#define CMOS_TRIES 1000

static u32 cmos(u8 at)
{
	u8 v;

	outb(0x70, at);
	v = inb(0x71);
	return (v & 15u) + (v >> 4) * 10u;
}

/* Days since 1970 of a day in the Gregorian calendar. */
static s64 days_of(s64 year, s64 month, s64 day)
{
	static const u16 before[] = { 0,   31,	59,  90,  120, 151,
				      181, 212, 243, 273, 304, 334 };
	bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	s64 y = year - 1;

	return y * 365 + y / 4 - y / 100 + y / 400 - 719162 +
	       before[(month - 1) % 12] + (month > 2 && is_leap) + day - 1;
}

/* Seconds since 1970 by the clock chip, in BCD; 0: there is none, or it says
 * what no clock says. */
static s64 cmos_time(void)
{
	for (u32 i = 0; i < CMOS_TRIES; i++) {
		u32 second = cmos(0), month = cmos(8), day = cmos(7);
		s64 time;

		if (second > 59 || !month || month > 12 || !day || day > 31)
			return 0;
		time = days_of(2000 + cmos(9), month, day) * 86400 +
		       cmos(4) * 3600 + cmos(2) * 60 + second;
		if (cmos(0) == second)
			return time;
	}
	return 0;
}

void clock_init(void)
{
	u32 a, b, c, d;

	__cpuid(1, a, b, c, d);
	clock_has_deadline = c & (1u << 24);
	ask_kvm();
	if (!tsc_hz)
		ask_processor();
	if (!tsc_hz)
		measure();
	if (!tsc_hz)
		kpanic("no clock: neither the hypervisor nor the timer chip "
		       "tells how fast the processor counts");
	tsc_start = rdtsc();
	ns_mul = (NSEC_PER_SEC << 32) / tsc_hz;
	tsc_mul = (tsc_hz / NSEC_PER_SEC << 32) +
		  (tsc_hz % NSEC_PER_SEC << 32) / NSEC_PER_SEC;
	real_offset = kvm_wall.sec
			      ? kvm_wall.sec * NSEC_PER_SEC + kvm_wall.nsec +
					kvm_clock_at(tsc_start)
			      : cmos_time() * NSEC_PER_SEC;
}

void clock_publish(void)
{
	static const struct vdso_host host = {
		.clock_gettime = clock_gettime,
		.gettimeofday = clock_gettimeofday,
		.getcpu = getcpu,
	};

	vdso_init(&host, ncpus);
}

u64 clock_to_tsc(nsec_t t)
{
	return tsc_start + (u64)((unsigned __int128)(u64)t * tsc_mul >> 32);
}

u64 clock_hz(void)
{
	return tsc_hz;
}

nsec_t plat_clock(enum plat_clock clock)
{
	return clock_now() + (clock == PLAT_REALTIME ? real_offset : 0);
}

nsec_t plat_clock_coarse(void)
{
	return clock_now();
}
