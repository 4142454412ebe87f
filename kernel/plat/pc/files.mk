# SPDX-License-Identifier: Apache-2.0
PC_SRCS := $(addprefix kernel/plat/pc/,acpi.c apic.c block.c boot.S broker.c channel.c \
	clock.c console.c cpu.c entropy.c frames.c hfd.c image.c ioapic.c large.c machine.c mptable.c net.c netaddr.c \
	off.c oom.c pages.c pagetable.c pci.c power.c region.c ring.c rseq.c sched.c \
	serial.c smp.c sockdata.c socket.c space.c start.c thread.c trampoline.S trap.c vector.S virtio.c \
	virtio_mmio.c virtio_pci.c vnet.c wait.c)

# The TCP/IP stack: Debian's source package, with our options.
LWIP_DIR ?= $(O)/lwip
LWIP_SRCS := $(addprefix core/,def.c inet_chksum.c init.c ip.c mem.c memp.c \
	netif.c pbuf.c tcp.c tcp_in.c tcp_out.c timeouts.c udp.c \
	$(addprefix ipv4/,dhcp.c etharp.c icmp.c ip4.c ip4_addr.c ip4_frag.c) \
	$(addprefix ipv6/,ethip6.c icmp6.c inet6.c ip6.c ip6_addr.c ip6_frag.c \
	mld6.c nd6.c)) netif/ethernet.c
