# SPDX-License-Identifier: Apache-2.0
# image: gcc
# A project of ten files, built by make with two jobs, changed and built again,
# and once more with link-time optimisation; a script in Lua.
set -eu
mkdir /tmp/project
cd /tmp/project
for i in 1 2 3 4 5 6 7 8 9; do
	cat >part$i.c <<-E
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>
		int part$i(int x)
		{
			char text[64];

			snprintf(text, sizeof(text), "%d", x * $i);
			return atoi(text) + (int)strlen(text);
		}
	E
done
{
	echo '#include <stdio.h>'
	for i in 1 2 3 4 5 6 7 8 9; do echo "int part$i(int);"; done
	echo 'int main(void) { int sum = 0;'
	for i in 1 2 3 4 5 6 7 8 9; do echo "sum += part$i(2);"; done
	echo 'printf("sum %d\n", sum); return 3; }'
} >main.c
cat >Makefile <<'E'
objects := main.o $(patsubst %,part%.o,1 2 3 4 5 6 7 8 9)
program: $(objects)
	$(CC) $(CFLAGS) -o $@ $^
%.o: %.c
	$(CC) $(CFLAGS) -c -o $@ $<
clean:
	rm -f program $(objects)
E
check() {
	status=0
	./program >out || status=$?
	[ "$status" = 3 ] && [ "$(cat out)" = 'sum 104' ]
}
make -s -j2 CFLAGS='-O2 -Wall -Werror'
check
[ "$(make -j2)" = "make: 'program' is up to date." ]
touch part3.c
[ "$(make -j2 | grep -c -- '-o')" = 2 ]
make -s clean
make -s -j2 CC='gcc -pipe' CFLAGS='-O2 -flto=2 -g'
check
echo 'int broken(' >part4.c
! make -s -k -j2 2>/dev/null
[ "$(lua5.4 -e 'print(("x"):rep(3), 2^53 | 0)')" = 'xxx	9007199254740992' ]
