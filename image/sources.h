/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of image source: scheme, argument, what it is. Included with
 * SOURCE defined; each row has its file image/src_SCHEME.c.
 */
#ifndef SOURCE
#define SOURCE(scheme, arg, help)
#endif
/* clang-format off */
SOURCE(deb, "PKG[,PKG...]", "Debian packages, from this machine's apt sources")
SOURCE(dir, "PATH",         "a directory, as it is")
SOURCE(tar, "FILE",         "a tar archive, plain or compressed")
SOURCE(oci, "DIR[:TAG]",    "an OCI image layout directory")
/* clang-format on */
