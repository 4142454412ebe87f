/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this machine's apt is configured for and knows. Images of Debian
 * packages are made from the same sources, with the same keys and proxies.
 */
#ifndef JIFFY_IMAGE_APT_H
#define JIFFY_IMAGE_APT_H

#include "host/err.h"
#include "host/sha256.h"
#include "host/strv.h"

/* The files that list package sources, in apt's order; at least one. */
int apt_source_files(struct strv *files, struct err *e);

/* The suite this machine runs, such as "bookworm". The caller frees. */
char *apt_suite(void);

/* "Acquire::…" settings that reaching the sources may need: proxies, retries,
 * time checks. Each as an apt.conf line. */
int apt_acquire_options(struct strv *lines, struct err *e);

/* Write into h the state of apt's package lists and sources. Returns 0, or 1
 * when apt has no lists (`apt-get update` never ran). */
int apt_fingerprint(struct sha256 *h, struct err *e);

/* Write into h the name and version of everything that an image with these
 * packages would contain now. Takes seconds. Fails when a package does not
 * exist. */
int apt_versions(const struct strv *packages, struct sha256 *h, struct err *e);

#endif
