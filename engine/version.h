/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The version of this tree, shown by every program.
 */
#ifndef JIFFY_ENGINE_VERSION_H
#define JIFFY_ENGINE_VERSION_H

#define JIFFY_VERSION "0.1.0"

#endif
