/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one context of a monitor: its instance. Everything runs on the main
 * thread, from the event loop in main.c; only the copying of a large checkpoint
 * has a second one for as long as it takes.
 */
#ifndef JIFFY_MONITOR_INSTANCE_H
#define JIFFY_MONITOR_INSTANCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

#include "abi/boot.h"
#include "host/cgroup.h"
#include "host/err.h"
#include "monitor/spec.h"

struct caller;
struct machine;
struct dns;
struct command;

enum instance_end {
	END_NONE,      /* still running */
	END_EXIT,      /* the program ended by itself: status */
	END_REFUSED,   /* the program could not be started: status, reason */
	END_CRASH,     /* the kernel or a host process died */
	END_OOM,       /* over its memory limit */
	END_KILLED,    /* stop or kill asked for it */
	END_SUSPENDED, /* it is a checkpoint now */
};

#define CORE_OPEN_MAX 8

struct core_files {
	int dir_fd; /* -1: none are wanted */
	int fds[CORE_OPEN_MAX];
	unsigned int nfiles;
	uint64_t bytes;
};

/* Scale to zero: monitor/sleep.c. */
struct sleep_state {
	uint64_t since_ns; /* awake, or kept from sleep, since */
	uint64_t look_ns;  /* the next look at what it does; 0: when told */
	uint64_t base_ns, base_cpu_ns; /* its processor time at some time */
	uint64_t asked_ns;	       /* when it was told to fall asleep */
	struct idle_counts counts;     /* of the last look */
	uint32_t why;		       /* AWAKE_BITs of the last look */
	uint32_t nheld;		       /* commands at work in it */
	bool is_near;		       /* its program was told so */
	bool is_falling;	       /* the freeze under way is by policy */
	bool is_stopping;	       /* or its program was told to stop */
};

/* The log of what it writes: monitor/logfile.c. */
struct log_state {
	int times_fd;		     /* -1: not open yet */
	uint64_t end;		     /* its length at the last look */
	uint64_t rest_until_ns;	     /* no look before; 0: when told */
	uint64_t cut_log, cut_times; /* lengths at which to cut them again */
};

/* Its place among those that fall asleep: monitor/turn.c. */
struct turn_state {
	uint64_t since_ns; /* it waits for one; 0: it does not */
	uint64_t retry_ms;
	int fd; /* has the place, or -1 */
};

/* The memory limit: monitor/limit.c. */
struct limit_state {
	uint64_t check_ns; /* CLOCK_MONOTONIC: not before; 0: not begun */
	uint64_t cpu_ns;   /* processor time of the instance at the last look */
	uint64_t room_ns;  /* so much more of it cannot fill what is left */
	uint64_t seen_ns, seen_cpu_ns; /* at the last check */
};

#define INSTANCE_FD_ROOM 1024

struct instance {
	struct spec spec;
	struct core_files core;
	int regular_fds[3];  /* stdio that is a regular file, or -1: stdio.c */
	char self_dir[4096]; /* where the monitor's executable is */

	/* Shared with the kernel. boot is hostile once the kernel runs. */
	struct boot_block *boot;
	int boot_fd, kernel_fd, cache_fd, image_fd, kernel_exe_fd, trace_fd;
	int broker_fd, event_fd;	     /* our ends */
	int broker_guest_fd, event_guest_fd; /* the kernel's, closed after */
	int volume_fds[SPEC_VOLUMES_MAX];    /* locked: volume.c */
	int direct_fds[SPEC_VOLUMES_MAX];    /* the same files, or -1 */
	uint64_t image_size;
	uint8_t build_id[32]; /* the kernel's */
	bool has_kept_kernel; /* which is not the installed one: kernels.c */
	struct { /* the numbers that these have in the instance; -1: none */
		int broker, event, trace;
	} guest;
	struct resume *resume; /* the checkpoint it came from, or NULL */

	struct machine *machine; /* machine.h: what it runs in, or NULL */
	pid_t group; /* process group (and first process) of the instance */
	uid_t uid;   /* host uid it runs as, or (uid_t)-1: ours */
	struct cgroup cgroup;	  /* of the kernel's processes: group.c */
	unsigned int wants_group; /* controllers (bits) */
	bool has_fd_room;	  /* for INSTANCE_FD_ROOM descriptors */
	bool is_again;		  /* it has run before and has a record */
	bool is_resumed;	  /* it goes on from a checkpoint */
	bool is_clone;		  /* ... from a template: template_fd */
	bool is_anew;		  /* it slept without its state, and boots */
	bool is_anew_begun;	  /* ... and sleeps no more, whatever comes */
	int template_fd;
	bool has_kept; /* its sockets came with the request to wake it */
	bool is_started, is_ready;
	bool is_broker_gone; /* EOF from the kernel */

	enum instance_end end;
	int status; /* wait status of the program (END_EXIT, END_REFUSED) */
	char reason[512];

	/* Loop. */
	int epoll_fd, signal_fd, control_fd, timer_fd, ready_fd;
	int spec_fd;		/* until it is read */
	int wait_fd;		/* of a spare monitor, to the keeper; else -1 */
	struct caller *callers; /* control.c: of incomplete requests */
	int stop_client;	/* control connection that waits for the end */
	int suspend_client;	/* the same, for the checkpoint */
	uint64_t freeze_deadline_ns; /* the kernel answers until then */
	struct sleep_state sleep;
	struct log_state log;
	uint64_t suspended_ns;	   /* when the checkpoint was complete */
	bool is_listening;	   /* at a published port */
	json_t *woken_by;	   /* keeper.c: what woke it, or NULL */
	struct snapshot *snapshot; /* a template is being made, or NULL */
	uint64_t pause_ns;	   /* what the last template has cost it */
	uint64_t asked_ns;	   /* CLOCK_MONOTONIC: BOOT_T_CLI, 0 unknown */
	uint64_t started_ns;	   /* BOOT_T_MONITOR */
	uint64_t boot_us, net_us;  /* of a start from the image; 0: unknown */
	uint64_t stop_deadline_ns; /* SIGKILL then; 0 none */
	bool is_shut_down; /* the kernel was told to kill all and unmount */
	uint64_t memory_peak;
	uint64_t reaped_ns, rest_until_ns; /* main.c; 0: no rest */
	uint64_t over_since_ns; /* over the memory limit since; 0: it is not */
	struct limit_state limit;
	struct turn_state turn;
	int port_fds[SPEC_PORTS_MAX]; /* bound, -1 once handed out */
	uint64_t ports_out;	      /* bits: handed out before a wake */
	uint64_t ports_kept;	      /* bits: the keeper had port_fds[] */
	int keeper_fd; /* connection that sockets were given by, or -1 */
	int *kept_fds; /* what came back: nkept, from kept_at on unused */
	uint32_t nkept, kept_at;
	struct known_socket *known; /* keeper.c: nknown of them */
	uint32_t nknown;
	struct dns *dns;
	struct egress_known
		*egress_known;	  /* dns.c: NULL without a list of names */
	struct command *commands; /* exec.c */
	uint32_t last_command;
	int lock_fd;			   /* state_dir/lock */
	int checkpoint_fd, checkpoint_dir; /* to be synced, or -1 */
	bool has_raw_terminal;
	struct termios saved_termios;
};

enum { EXIT_JIFFY = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

/* Host addresses the kernel and programs see; RFC 6598 has no use on hosts. */
#define INSTANCE_IP 0x0a000202u /* 10.0.2.2, host byte order */
#define RESOLVER_IP 0x0a000203u /* 10.0.2.3 */

uint64_t clock_now_ns(void);

/* boot.c: make what is shared with the kernel. */
/* In parts: the objects, while descriptor BOOT_FD is the lowest free one; the
 * image's file; the block, unless it comes from a checkpoint. */
int boot_prepare_objects(struct instance *in, struct err *e);
int boot_open_image(struct instance *in, struct err *e);
int boot_fill(struct instance *in, struct err *e);
/* The text of /etc/hosts; its length. */
size_t boot_hosts(const struct spec *s, char *buf, size_t size);

/* volume.c: open and lock the volumes' files, describe them in the block. */
int volumes_open(struct instance *in, struct err *e);
/* Write the volumes' places into the boot block. */
void volumes_place(struct instance *in);
/* Their generations. Before the instance runs: a checkpoint that another one
 * left with them is void. While it is frozen: add them to a checkpoint, which
 * is not void until the next start. Before a wake: compare. */
struct checkpoint_out;
struct checkpoint_volume;
int volumes_wake(struct instance *in, struct err *e);
int volumes_sleep(struct instance *in, struct checkpoint_out *out);
int volumes_match(const struct instance *in, const struct checkpoint_volume *v,
		  struct err *e);

/* launch.c: open the kernel's file; start it, confined. On return it is on its
 * way. */
int launch_open(struct instance *in, struct err *e);
/* Open it again if another one is installed since. */
int launch_open_newer(struct instance *in, struct err *e);
int launch(struct instance *in, struct err *e);
/* Kill whatever of the instance lives; launch_end() also reaps all of it. */
void launch_kill(const struct instance *in);
void launch_end(struct instance *in);

/* broker.c: one readable request on broker_fd. 0, or -errno if there will be no
 * more (-EPIPE: nobody holds the other end). */
int broker_serve(struct instance *in);
int broker_bind_ports(struct instance *in, struct err *e);
/* fd is published port i: note its number, if the host chose it. */
void broker_note_port(struct instance *in, unsigned int i, int fd);
/* Published port i as a listening socket; -1 if it cannot be. */
int broker_take_port(struct instance *in, unsigned int i, int backlog);
/* Which port a socket with a name stands for, one that is delivered or not
 * published; or -1. */
int broker_named_port(const struct instance *in, int fd);
/* Tell process 0. 0, or -errno: it was not told. */
int broker_event(struct instance *in, uint32_t type, uint32_t arg,
		 uint32_t arg2);

/* dns.c: the resolver behind RESOLVER_IP. */
int dns_open_client(struct instance *in);    /* descriptor for the kernel */
void dns_serve(struct instance *in, int fd); /* a client or upstream is ready */
bool dns_owns(const struct instance *in, int fd);

/* control.c: state_dir/control.sock. */
int control_open(struct instance *in, struct err *e);
void control_accept(struct instance *in);
/* Connections whose requests are not complete: something to read; milliseconds
 * until the oldest has taken too long, -1 none. */
bool control_owns(struct instance *in, int fd);
void control_serve(struct instance *in, int fd);
int control_check(struct instance *in);
void control_finish(struct instance *in);
/* Tell whoever asked for it that the instance sleeps: others may have it. */
void control_suspended(struct instance *in);
/* Tell whoever waits for a checkpoint that there is none; or a template. */
void control_suspend_failed(struct instance *in, const char *why);
void control_snapshot_made(struct instance *in);

/* suspend.c: refuse, or ask the kernel to freeze: for good, or to go on when
 * its memory has been copied to a template in directory `dir`. */
int suspend_start(struct instance *in, struct err *e);
int snapshot_start(struct instance *in, const char *dir, struct err *e);
/* Milliseconds until it takes too long, -1 never. */
int suspend_check(struct instance *in);
/* BROKER_FROZEN: write the checkpoint, which ends the instance, or let it go
 * on. */
void suspend_frozen(struct instance *in, uint32_t error, const char *why,
		    size_t why_len);

/* stateless.c: sleep without state. It is frozen: have it stop when it goes on,
 * or let it run (EAGAIN). It has ended: if that is why, it sleeps. */
int stateless_stop(struct instance *in, struct err *e);
void stateless_ended(struct instance *in);
/* Has it slept so? Take its ports back; it begins, and sleeps no more. */
bool stateless_slept(const struct instance *in);
void stateless_take_ports(struct instance *in);
int stateless_begin(struct instance *in, struct err *e);

/* sleep.c: it runs; something that the kernel does not count has changed;
 * BROKER_LESS. */
void sleep_begin(struct instance *in);
void sleep_changed(struct instance *in);
void sleep_less(struct instance *in);
/* A command begins, or has ended, which is when its cool-down begins. */
void sleep_hold(struct instance *in);
void sleep_let(struct instance *in);
/* Milliseconds until the next look, -1 none. */
int sleep_check(struct instance *in);
/* Frozen by policy: is nothing there to do still? It goes on after all. */
bool sleep_may(struct instance *in);
/* EAGAIN: since it has something to do. */
void sleep_failed(struct instance *in, int code, const char *why);

/* turn.c. Begin to fall asleep, with little of the processor: 0, or the time to
 * try again. To be ended also if it goes on or does not want to any more, and
 * before the keeper may wake it. Main thread only. */
uint64_t turn_take(struct instance *in, uint64_t now);
void turn_end(struct instance *in);
/* For a child that is to stay. */
void turn_leave(void);
/* For control requests: a list of texts; an object. */
json_t *sleep_why_awake(struct instance *in);
json_t *sleep_status(struct instance *in);

/* logfile.c: it is about to run; BROKER_OUTPUT; milliseconds until the next
 * look, -1 none; it has ended, and nobody writes any more. */
void logfile_begin(struct instance *in);
void logfile_told(struct instance *in);
int logfile_check(struct instance *in);
void logfile_end(struct instance *in);

/* events.c: add a line to what has happened, with the members of `more`, which
 * it takes over. */
void event_add(const struct instance *in, const char *what, json_t *more);

/* It goes on: finish the template, in a thread. */
void snapshot_thawed(struct instance *in);
/* Is fd what says that the thread is done? Wait for it, and answer whoever
 * asked for the template; nothing if there is none. */
bool snapshot_owns(const struct instance *in, int fd);
void snapshot_end(struct instance *in);
/* sync.c: the instance is a checkpoint now: let go of all that another monitor
 * needs to wake it, then bring the file to the disk. */
void sync_let_go(struct instance *in);

/* keeper.c: give the sockets of the frozen instance to jiffy-keeper, which is
 * started if need be; close the connection, after which it watches them if
 * there is a checkpoint. */
struct checkpoint_fd;
bool keeper_has(const struct checkpoint_fd *f);
int keeper_keep(struct instance *in, const struct checkpoint_fd *table,
		size_t count, struct err *e);
/* The same with n sockets of our own. */
int keeper_keep_ports(struct instance *in, const int *fds, uint32_t n,
		      struct err *e);
void keeper_let_go(struct instance *in);
/* -EAGAIN if something came to one of the frozen instance's sockets that it has
 * not read, some seconds long for the same. */
struct checkpoint_out;
int keeper_refuse_unread(struct instance *in, struct checkpoint_out *out);
/* The store's directory, or -1. */
int instance_open_store(const struct instance *in);

/* kernels.c. Have a copy of the kernel in the store; it stays as long as
 * *lock_fd is open or a checkpoint names it. */
int kernels_keep(const struct instance *in, int *lock_fd, struct err *e);
/* Take the kept kernel of that build instead of the installed one. */
int kernels_use(struct instance *in, const uint8_t build_id[32], struct err *e);
/* Remove those that no checkpoint needs, unless somebody is at work there. */
void kernels_tidy(const struct instance *in);

/* Get back those that there are; close them. */
void keeper_take(struct instance *in);
void keeper_drop(struct instance *in);
/* Note what of those that came back has something to read: the next suspension
 * is not ended by that. */
void keeper_note_known(struct instance *in);
/* A spare monitor: wait for whom to wake. Fills asked_ns and the sockets, opens
 * the log; the descriptor of the spec, or -errno: -EPIPE if there is nobody. */
int keeper_wait(struct instance *in, int keeper, struct err *e);

/* resume.c: read the checkpoint in the state directory; fill the boot block
 * from it; compare the volumes' generations. */
int resume_open(struct instance *in, struct err *e);
int resume_block(struct instance *in, struct err *e);
int resume_match_volumes(struct instance *in, struct err *e);
/* Get back the sockets that were kept, before ports are bound anew. */
void resume_sockets(struct instance *in);
/* With the kernel started: fill its memory, remove the file, and let it go on.
 * From the removal on the instance runs, or boots cold. */
int resume_go_on(struct instance *in, struct err *e);
/* Have the removal outlive a power cut of the host; does not wait for it. */
void resume_settle(const struct instance *in);
bool resume_is_used_up(const struct instance *in);
/* The open checkpoint that memory may be mapped from: its file or -1, its
 * tables or NULL. */
int resume_file(const struct instance *in);
struct checkpoint;
const struct checkpoint *resume_checkpoint(const struct instance *in);

/* clone.c: is the template one of this clone's image, ports and volumes? Tell
 * the kernel what is the clone's own. */
struct checkpoint;
int clone_match(const struct checkpoint *cp, const struct spec *s,
		struct err *e);
int clone_fill(struct instance *in, struct err *e);

/* core.c: BROKER_CORE_*. 0 or a positive errno. */
int core_start(struct instance *in, struct err *e);
int core_open(struct instance *in, uint32_t pid, const uint8_t *comm,
	      uint32_t len, uint32_t *id);
int core_write(struct instance *in, uint32_t id, uint64_t offset,
	       const uint8_t *data, uint32_t len);
int core_close(struct instance *in, uint32_t id, uint64_t size);

/* stdio.c: find out which of stdio are regular files and tell the kernel; serve
 * BROKER_STDIO: 0 or a positive errno, numbers for the reply, bytes for it. */
struct broker_request;
struct stdio_data {
	size_t len;
	uint8_t bytes[16384];
};
void stdio_look(struct instance *in);
/* exec.c: start what a control request asks for, with its descriptors: those
 * and, unless it fails, the connection are taken over. */
int exec_start(struct instance *in, int *client, const json_t *req, int fds[3],
	       struct err *e);
/* Of commands that are not detached: how many there are. */
unsigned int exec_count(const struct instance *in);
/* Connections of theirs: something to read. */
bool exec_owns(const struct instance *in, int fd);
void exec_serve(struct instance *in, int fd);
/* Milliseconds until it wants to look again, -1 none. */
int exec_check(struct instance *in);
/* BROKER_EXEC_*: 0 or a positive errno. */
int exec_take(struct instance *in, uint32_t id, uint64_t offset,
	      struct stdio_data *data, uint32_t *total, int fds[3]);
int exec_runs(struct instance *in, uint32_t id, uint64_t pid);
int exec_end(struct instance *in, uint32_t id, uint64_t status,
	     const uint8_t *why, size_t len);
/* The instance has ended: so have they. */
void exec_finish(struct instance *in);
int stdio_serve(struct instance *in, const struct broker_request *r,
		const uint8_t *payload, uint64_t answer[4],
		struct stdio_data *data);

/* state.c: state_dir/state.json and lock. */
int state_open(struct instance *in, struct err *e);
void state_write(const struct instance *in);
/* How long its start from its image has taken: state_dir/times. */
void state_write_times(const struct instance *in);
void state_close(struct instance *in);

/* limit.c: memory now in use; if that is over the limit, a process or the
 * instance ends. Milliseconds until it wants to look again, -1 never. */
int limit_check(struct instance *in);
/* End the instance, which uses so many bytes, for being over its limit. */
void limit_end(struct instance *in, uint64_t used);
/* Private bytes a host process has touched; 0 if there is none such. */
uint64_t limit_private_bytes(int pid);
uint64_t limit_usage(const struct instance *in, uint64_t *pss);

/* group.c. Make a control group: for an instance that is not known yet; for
 * this one if it has limits (wants_group). One that fails is none, with a
 * reason. */
void group_make_any(struct instance *in);
void group_make(struct instance *in);
/* The instance is in it: set its limits; or remove it if it has none. */
void group_limit(struct instance *in);
/* For jiffy inspect: what is limited, and why not more. */
json_t *group_json(const struct instance *in);
/* All processes are reaped: remove it. */
void group_end(struct instance *in);

/* report.c: crash report and --stats. */
void report_crash(const struct instance *in);
void report_stats(const struct instance *in);

/* End it: at once, or, if it has volumes, after it has unmounted them. */
void instance_shut_down(struct instance *in, const char *reason);

/* The exit status of this monitor, by what the instance came to. */
int instance_exit_code(const struct instance *in);
/* Note why the instance ends; the first reason stays. */
void instance_end(struct instance *in, enum instance_end end, int status,
		  const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
