# SPDX-License-Identifier: Apache-2.0

UNIT_TESTS += ldisc
ldisc_UNIT_SRCS := tests/unit/ldisc_test.c kernel/dev/ldisc.c
UNIT_TESTS += pseudo
pseudo_UNIT_SRCS := tests/unit/pseudo_test.c tests/unit/stub_alloc.c \
	tests/unit/stub_copy.c tests/unit/stub_log.c kernel/fs/pseudo.c \
	lib/fmt.c lib/str.c
UNIT_TESTS += random
random_UNIT_SRCS := tests/unit/random_test.c kernel/dev/random.c lib/fmt.c lib/str.c

UNIT_TESTS += firmware
firmware_UNIT_SRCS := tests/unit/firmware_test.c kernel/plat/pc/acpi.c \
	kernel/plat/pc/mptable.c

UNIT_TESTS += virtio
virtio_UNIT_SRCS := tests/unit/virtio_test.c kernel/plat/pc/ring.c
UNIT_TESTS += virtio_device
virtio_device_UNIT_SRCS := tests/unit/virtio_device_test.c \
	tests/unit/stub_alloc.c kernel/plat/pc/ring.c kernel/plat/pc/virtio.c \
	lib/fmt.c lib/str.c

UNIT_TESTS += host_basics
host_basics_UNIT_SRCS := tests/unit/host_basics.c $(HOST_SRCS)
host_basics_UNIT_LIBS := -ljansson
UNIT_TESTS += image_manifest
image_manifest_UNIT_SRCS := tests/unit/image_manifest.c $(HOST_SRCS) \
	$(IMAGE_STORE_SRCS) $(IMAGE_BUILD_SRCS)
image_manifest_UNIT_LIBS := -larchive -ljansson
UNIT_TESTS += cli_run
cli_run_UNIT_SRCS := tests/unit/cli_run.c $(HOST_SRCS) $(IMAGE_STORE_SRCS) \
	engine/names.c engine/ports.c engine/scale.c engine/spec.c engine/units.c engine/volumes.c
cli_run_UNIT_LIBS := -ljansson
UNIT_TESTS += logfile
logfile_UNIT_SRCS := tests/unit/logfile_test.c engine/logfile.c engine/units.c \
	$(HOST_SRCS)
logfile_UNIT_LIBS := -ljansson

UNIT_TESTS += http1
http1_UNIT_SRCS := tests/unit/http1_test.c gateway/http1.c
UNIT_TESTS += cgroup
cgroup_UNIT_SRCS := tests/unit/cgroup_test.c $(HOST_SRCS)
cgroup_UNIT_LIBS := -ljansson
UNIT_TESTS += loop
loop_UNIT_SRCS := tests/unit/loop_test.c $(LOOP_SRCS) host/xmalloc.c

# lib/ and kernel/mm/
UNIT_TESTS += lib heap object area sysv
lib_UNIT_SRCS := tests/unit/lib_test.c tests/unit/kernel_string.c lib/fmt.c \
	lib/str.c lib/rbtree.c
MM_UNIT_SRCS := tests/unit/stub_plat.c tests/unit/stub_kernel.c \
	tests/unit/stub_log.c kernel/mm/heap.c kernel/mm/pages.c \
	kernel/mm/window.c kernel/mm/object.c kernel/vfs/uio.c \
	kernel/proc/lock.c
heap_UNIT_SRCS := tests/unit/heap_test.c $(MM_UNIT_SRCS)
object_UNIT_SRCS := tests/unit/object_test.c $(MM_UNIT_SRCS)
AREA_UNIT_SRCS := $(MM_UNIT_SRCS) tests/unit/stub_process.c \
	kernel/mm/area.c kernel/mm/map.c kernel/mm/mm.c kernel/mm/protect.c \
	kernel/mm/remap.c kernel/mm/remote.c lib/rbtree.c
area_UNIT_SRCS := tests/unit/area_test.c $(AREA_UNIT_SRCS)
sysv_UNIT_SRCS := tests/unit/sysv_test.c $(AREA_UNIT_SRCS) \
	kernel/ipc/sysv.c kernel/ipc/shm.c kernel/ipc/sem.c kernel/ipc/msg.c \
	kernel/proc/waitq.c lib/fmt.c

UNIT_TESTS += patch_decode
patch_decode_UNIT_SRCS := tests/unit/patch_decode_test.c \
	kernel/cpu/patch_decode.c

# kernel/vfs/ and its filesystems
VFS_UNIT_SRCS := tests/unit/stub_plat.c tests/unit/stub_kernel.c \
	tests/unit/stub_log.c tests/unit/stub_proc.c kernel/mm/heap.c \
	kernel/mm/pages.c kernel/mm/window.c kernel/mm/object.c kernel/proc/lock.c \
	kernel/vfs/anon.c kernel/vfs/dentry.c kernel/vfs/dirops.c \
	kernel/vfs/fd.c kernel/vfs/file.c kernel/vfs/fscontext.c \
	kernel/vfs/init.c kernel/vfs/inode.c kernel/vfs/lockf.c \
	kernel/vfs/mount.c kernel/vfs/name.c kernel/vfs/notify.c \
	kernel/vfs/open.c kernel/vfs/path.c kernel/vfs/pool.c \
	kernel/vfs/regular.c kernel/vfs/special.c kernel/vfs/uio.c \
	kernel/fs/erofs_image.c kernel/fs/overlay.c kernel/fs/tmpfs.c \
	kernel/fs/xattr.c kernel/sys/sys_dir.c kernel/sys/sys_fcntl.c \
	kernel/sys/sys_file.c kernel/sys/sys_open.c kernel/sys/sys_rw.c \
	kernel/sys/sys_splice.c kernel/sys/sys_stat.c kernel/sys/sys_xattr.c \
	tests/unit/stub_ipc.c lib/fmt.c lib/str.c
UNIT_TESTS += vfs
vfs_UNIT_SRCS := tests/unit/vfs_test.c $(VFS_UNIT_SRCS)
UNIT_TESTS += erofs
erofs_UNIT_SRCS := tests/unit/erofs_test.c $(VFS_UNIT_SRCS)

# kernel/net/
UNIT_TESTS += stream unix
stream_UNIT_SRCS := tests/unit/stream_test.c tests/unit/stub_plat.c \
	tests/unit/stub_kernel.c tests/unit/stub_log.c kernel/mm/heap.c \
	kernel/mm/pages.c kernel/vfs/uio.c kernel/proc/lock.c \
	kernel/net/stream.c
unix_UNIT_SRCS := tests/unit/unix_test.c $(VFS_UNIT_SRCS) kernel/net/sock.c \
	kernel/net/sockopt.c kernel/net/stream.c kernel/net/msg.c \
	kernel/net/conn.c kernel/net/scm.c kernel/net/scm_gc.c \
	kernel/net/unix.c kernel/net/unix_name.c kernel/net/unix_dgram.c \
	kernel/sys/sys_socket.c

# kernel/proc/
UNIT_TESTS += waitq sigqueue pid elf
waitq_UNIT_SRCS := tests/unit/waitq_test.c kernel/proc/lock.c kernel/proc/waitq.c
waitq_UNIT_LIBS := -pthread
sigqueue_UNIT_SRCS := tests/unit/sigqueue_test.c tests/unit/stub_alloc.c \
	kernel/proc/sigqueue.c kernel/proc/lock.c
pid_UNIT_SRCS := tests/unit/pid_test.c \
	kernel/proc/pid.c kernel/proc/lock.c
elf_UNIT_SRCS := tests/unit/elf_test.c kernel/proc/elf.c

# kernel/plat/process/
UNIT_TESTS += filter
filter_UNIT_SRCS := tests/unit/filter_test.c kernel/plat/process/filter.c

# kernel/dev/: block devices
UNIT_TESTS += block
block_UNIT_SRCS := tests/unit/block_test.c tests/unit/stub_alloc.c \
	tests/unit/stub_block.c tests/unit/stub_log.c kernel/dev/block.c \
	kernel/dev/wrap.c kernel/proc/lock.c lib/fmt.c lib/str.c

# kernel/fs/ext4/: the journal, on a device that loses power
UNIT_TESTS += journal journal_tools
JOURNAL_SRCS := kernel/fs/ext4/buffer.c kernel/fs/ext4/checkpoint.c \
	kernel/fs/ext4/commit.c kernel/fs/ext4/journal.c \
	kernel/fs/ext4/logio.c kernel/fs/ext4/recovery.c \
	kernel/fs/ext4/revoke.c
JOURNAL_UNIT_SRCS := tests/unit/powercut.c tests/unit/stub_alloc.c \
	tests/unit/stub_block.c tests/unit/stub_log.c kernel/dev/block.c \
	kernel/dev/wrap.c kernel/proc/lock.c lib/fmt.c lib/str.c \
	$(JOURNAL_SRCS)
journal_UNIT_SRCS := tests/unit/journal_test.c tests/unit/journal_model.c \
	$(JOURNAL_UNIT_SRCS)
journal_tools_UNIT_SRCS := tests/unit/journal_tools_test.c $(JOURNAL_UNIT_SRCS)

# kernel/fs/ext4/: the filesystem, through the system calls
UNIT_TESTS += ext4
EXT4_UNIT_SRCS := tests/unit/stub_copy.c tests/unit/stub_ext4.c \
	tests/unit/stub_proc.c tests/unit/stub_ipc.c $(JOURNAL_UNIT_SRCS) $(EXT4_SRCS) \
	$(filter kernel/vfs/% kernel/fs/% kernel/sys/%,$(VFS_UNIT_SRCS))
ext4_UNIT_SRCS := tests/unit/ext4_test.c tests/unit/ext4_random.c \
	tests/unit/ext4_crash.c tests/unit/ext4_image.c $(EXT4_UNIT_SRCS)

# The page cache of filesystems on devices
UNIT_TESTS += pager
pager_UNIT_SRCS := tests/unit/pager_test.c $(VFS_UNIT_SRCS) \
	kernel/mm/pager.c kernel/mm/pager_dirty.c \
	kernel/mm/pager_direct.c kernel/mm/readahead.c kernel/vfs/paged.c
UNIT_TESTS += ext4_broken
ext4_broken_UNIT_SRCS := tests/unit/ext4_broken_test.c tests/unit/ext4_walk.c \
	tests/unit/ext4_image.c $(EXT4_UNIT_SRCS)

# monitor/
UNIT_TESTS += clone egress
egress_UNIT_SRCS := tests/unit/egress_test.c monitor/egress.c $(HOST_SRCS)
egress_UNIT_LIBS := -ljansson
clone_UNIT_SRCS := tests/unit/clone_test.c monitor/clone.c monitor/egress.c monitor/spec.c \
	$(HOST_SRCS)
clone_UNIT_LIBS := -ljansson
UNIT_TESTS += checkpoint
checkpoint_UNIT_SRCS := tests/unit/checkpoint_test.c \
	$(filter-out %_maps.c,$(CHECKPOINT_SRCS)) $(HOST_SRCS)
checkpoint_UNIT_LIBS := -ljansson

# gateway/
UNIT_TESTS += pg_wire
pg_wire_UNIT_SRCS := tests/unit/pg_wire_test.c gateway/pg_wire.c
GATEWAY_UNIT_SRCS := tests/unit/stub_backend.c $(GATEWAY_PROTO_SRCS) \
	host/loop.c host/err.c host/strv.c host/xmalloc.c
UNIT_TESTS += certs gateway_tls gateway_pg gateway_http gateway_h2
gateway_h2_UNIT_SRCS := tests/unit/gateway_h2_test.c $(GATEWAY_UNIT_SRCS)
gateway_h2_UNIT_LIBS := $(GATEWAY_LIBS)
UNIT_TESTS += limits route proxy
proxy_UNIT_SRCS := tests/unit/proxy_test.c gateway/proxy.c
limits_UNIT_SRCS := tests/unit/limits_test.c gateway/limits.c
route_UNIT_SRCS := tests/unit/route_test.c gateway/route.c host/xmalloc.c
certs_UNIT_SRCS := tests/unit/certs_test.c gateway/certs.c \
	gateway/cert_make.c host/err.c host/strv.c host/xmalloc.c
certs_UNIT_LIBS := -lssl -lcrypto
gateway_tls_UNIT_SRCS := tests/unit/gateway_tls_test.c $(GATEWAY_UNIT_SRCS)
gateway_tls_UNIT_LIBS := $(GATEWAY_LIBS)
gateway_pg_UNIT_SRCS := tests/unit/gateway_pg_test.c $(GATEWAY_UNIT_SRCS)
gateway_pg_UNIT_LIBS := $(GATEWAY_LIBS)
UNIT_TESTS += idle
idle_UNIT_SRCS := tests/unit/idle_test.c monitor/idle.c
gateway_http_UNIT_SRCS := tests/unit/gateway_http_test.c $(GATEWAY_UNIT_SRCS)
gateway_http_UNIT_LIBS := $(GATEWAY_LIBS)

# daemon/
UNIT_TESTS += autoscale
autoscale_UNIT_SRCS := tests/unit/autoscale_test.c daemon/autoscale_step.c \
	$(HOST_SRCS)
autoscale_UNIT_LIBS := -ljansson
UNIT_TESTS += schedule
schedule_UNIT_SRCS := tests/unit/schedule_test.c daemon/calendar.c \
	daemon/schedule.c $(HOST_SRCS)
schedule_UNIT_LIBS := -ljansson
UNIT_TESTS += db
db_UNIT_SRCS := tests/unit/db_test.c daemon/db.c $(HOST_SRCS)
db_UNIT_LIBS := -ljansson -lsqlite3
