/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of jiffy, in the order of `jiffy help`: name, arguments, what it
 * does, and the program it lives in (jiffy itself, which must start fast, or
 * image: jiffy-image, with the heavy libraries). Included with COMMAND defined;
 * each row has its `const struct cmd cmd_NAME` in cli/cmd_NAME.c.
 */
/* clang-format off */
COMMAND(build,   "SOURCE",                          "make an image from packages, a directory, a tar or an OCI layout", image)
COMMAND(run,     "IMAGE|SOURCE [COMMAND [ARG...]]", "run a program as an instance of an image",   jiffy)
COMMAND(create,  "IMAGE|SOURCE [COMMAND [ARG...]]", "make an instance that is started later",      jiffy)
COMMAND(start,   "INSTANCE...",                     "start what was created or has ended",         jiffy)
COMMAND(cp,      "SOURCE DESTINATION",              "copy files into and out of an instance",     image)
COMMAND(exec,    "INSTANCE COMMAND [ARG...]",       "run another program in an instance",         jiffy)
COMMAND(top,     "INSTANCE",                        "list the processes in a running instance",   jiffy)
COMMAND(sandbox, "VERB [OPTIONS] [OPERANDS]",       "make, use and end sandboxes",                jiffy)
COMMAND(ps,      "",                                "list instances",                             jiffy)
COMMAND(logs,    "INSTANCE",                        "print what a detached instance wrote",       jiffy)
COMMAND(stop,    "INSTANCE...",                     "ask instances to end, and wait for it",      jiffy)
COMMAND(kill,    "INSTANCE...",                     "send a signal to instances",                 jiffy)
COMMAND(suspend, "INSTANCE...",                     "stop instances and keep their state in a file", jiffy)
COMMAND(resume,  "INSTANCE...",                     "let suspended instances go on",              jiffy)
COMMAND(snapshot, "INSTANCE | ls | rm TEMPLATE... | verify FILE", "copy a running instance to a template for clones", jiffy)
COMMAND(fork,    "INSTANCE",                        "start clones of a running instance",         jiffy)
COMMAND(rm,      "INSTANCE...",                     "remove the records of ended instances",      jiffy)
COMMAND(events,  "[INSTANCE]",                      "print what has happened to instances",       jiffy)
COMMAND(inspect, "INSTANCE|IMAGE...",               "print all that is known, as JSON",           jiffy)
COMMAND(images,  "",                                "list images",                                jiffy)
COMMAND(image,   "COMMAND [OPERANDS]",              "export images to hypervisors",               jiffy)
COMMAND(rmi,     "IMAGE...",                        "remove images",                              jiffy)
COMMAND(volume,  "COMMAND [OPERANDS]",              "make, list, copy and remove volumes",        jiffy)
COMMAND(version, "",                                "print the version",                          jiffy)
/* clang-format on */
