// SPDX-License-Identifier: Apache-2.0
/* The smallest ordinary program: what start-up time is measured with. */
#include <unistd.h>

int main(void)
{
	return write(1, "hello\n", 6) == 6 ? 0 : 1;
}
