/* SPDX-License-Identifier: Apache-2.0 */
/* Says that it is up, and waits. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	puts("up");
	fflush(stdout);
	for (;;)
		pause();
}
