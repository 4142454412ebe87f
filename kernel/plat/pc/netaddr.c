/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's addresses: words of the command line, else DHCP (IPv4) and what
 * routers announce (IPv6).
 *   jiffy.ip=ADDRESS/LENGTH,GATEWAY    of either kind; of each the first counts
 *   jiffy.dns=ADDRESS[,ADDRESS]...     name servers, instead of the lease's
 */
#include "kernel/plat/pc/net.h"
#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "lwip/ethip6.h"
#include "lwip/ip_addr.h"
#include "lwip/netif.h"

#define SERVERS_MAX 3
#define WORD_MAX 160
#define LEASE_WAIT (10 * NSEC_PER_SEC)

static struct netif *device;
static ip_addr_t servers[SERVERS_MAX];
static bool has_own_servers;
static ip6_addr_t router6; /* any: not told */
static u32 has_address;	   /* IPv4; atomic, waited for */

int atoi(const char *s)
{
	int n = 0;

	while (*s >= '0' && *s <= '9' && n < 100000)
		n = n * 10 + *s++ - '0';
	return n;
}

/* The i-th word of the command line that begins with `name`, without it. */
static bool word(const char *name, u32 i, char *out, size_t size)
{
	const char *p = command_line;
	size_t n = strlen(name);

	for (;;) {
		size_t len;

		while (*p == ' ')
			p++;
		if (!*p)
			return false;
		len = strchr(p, ' ') ? (size_t)(strchr(p, ' ') - p) : strlen(p);
		if (strncmp(p, name, n) == 0 && !i--) {
			str_copy(out, MIN(size, len - n + 1), p + n);
			return len - n < size;
		}
		p += len;
	}
}

/* Cut at c: what comes behind it, or NULL. */
static char *cut(char *text, char c)
{
	char *p = strchr(text, c);

	if (!p)
		return NULL;
	*p = '\0';
	return p + 1;
}

/* --- Name servers ------------------------------------------------------------
 */

/* What a resolver of the stack's would be called with: programs have their own.
 */
void dns_init(void)
{
}

void dns_tmr(void)
{
}

/* Of a lease. */
void dns_setserver(u8_t i, const ip_addr_t *server)
{
	if (i < SERVERS_MAX && !has_own_servers)
		servers[i] = *server;
}

static void own_servers(void)
{
	char text[WORD_MAX], *p = text, *next;

	if (!word("jiffy.dns=", 0, text, sizeof(text)))
		return;
	for (u32 i = 0; p && i < SERVERS_MAX; p = next) {
		next = cut(p, ',');
		if (ipaddr_aton(p, &servers[i]))
			i++;
		else
			klog("jiffy.dns: '%s' is no address", p);
	}
	has_own_servers = true;
}

/* --- Addresses ---------------------------------------------------------------
 */

static bool is_v6(const char *text)
{
	return strchr(text, ':');
}

static bool set_v4(const char *address, int length, const char *gateway)
{
	ip4_addr_t ip, mask, router = { 0 };

	if (!ip4addr_aton(address, &ip) || length < 1 || length > 32 ||
	    (gateway && !ip4addr_aton(gateway, &router)))
		return false;
	ip4_addr_set_u32(&mask, lwip_htonl(~0u << (32 - length)));
	netif_set_addr(device, &ip, &mask, &router);
	return true;
}

static bool set_v6(const char *address, int length, const char *gateway)
{
	ip6_addr_t ip;
	s8 i;

	/* The stack knows no other length. */
	if (!ip6addr_aton(address, &ip) || length != 64 ||
	    (gateway && !ip6addr_aton(gateway, &router6)) ||
	    netif_add_ip6_address(device, &ip, &i) != ERR_OK)
		return false;
	netif_ip6_addr_set_state(device, i, IP6_ADDR_PREFERRED);
	device->ip6_autoconfig_enabled = 0;
	return true;
}

const ip6_addr_t *address_router6(UNUSED struct netif *n,
				  UNUSED const ip6_addr_t *to)
{
	return ip6_addr_isany_val(router6) ? NULL : &router6;
}

/* True: IPv4 has its address. */
static bool own_addresses(void)
{
	char text[WORD_MAX], whole[WORD_MAX], *length, *gateway;
	bool has_v4 = false;

	for (u32 i = 0; word("jiffy.ip=", i, text, sizeof(text)); i++) {
		str_copy(whole, sizeof(whole), text);
		gateway = cut(text, ',');
		length = cut(text, '/');
		if (!length || !(is_v6(text) ? set_v6 : set_v4)(
				       text, atoi(length), gateway))
			klog("jiffy.ip: '%s' is not ADDRESS/LENGTH,GATEWAY",
			     whole);
		else
			has_v4 |= !is_v6(text);
	}
	return has_v4;
}

static void changed(struct netif *n)
{
	if (ip4_addr_isany(netif_ip4_addr(n)) || atomic_load(&has_address))
		return;
	atomic_store_release(&has_address, 1);
	plat_wake(&has_address, ~0u);
}

void address_begin(struct netif *n)
{
	device = n;
	netif_set_status_callback(n, changed);
	netif_create_ip6_linklocal_address(n, 1);
	n->ip6_autoconfig_enabled = 1;
	own_servers();
	if (own_addresses()) {
		netif_set_up(n);
		return;
	}
	netif_set_up(n);
	dhcp_start(n);
}

/* --- For the kernel ----------------------------------------------------------
 */

static void write_servers(struct plat_network *to)
{
	struct fmt_buf out;

	fmt_buf_init(&out, to->resolv_conf, sizeof(to->resolv_conf));
	for (u32 i = 0; i < SERVERS_MAX; i++) {
		if (ip_addr_isany(&servers[i]))
			continue;
		if (IP_IS_V4(&servers[i]) && !to->resolver)
			to->resolver = ip4_addr_get_u32(ip_2_ip4(&servers[i]));
		fmt_buf_add(&out, "nameserver %s\n", ipaddr_ntoa(&servers[i]));
	}
}

bool plat_network(struct plat_network *to)
{
	nsec_t deadline = clock_now() + LEASE_WAIT;

	memset(to, 0, sizeof(*to));
	if (!net_is_up())
		return false;
	net_look(); /* timers were set */
	while (!atomic_load_acquire(&has_address))
		if (plat_wait(&has_address, 0, deadline) == -ETIMEDOUT) {
			klog("no DHCP server has answered: no IPv4 address");
			break;
		}
	net_enter();
	to->ip = ip4_addr_get_u32(netif_ip4_addr(device));
	write_servers(to);
	net_leave();
	return true;
}
