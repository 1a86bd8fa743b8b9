# A C program of several files is built with make, gcc and ar, and runs from the mount.
# seconds: 60

cat >greet.c <<'C'
#include <stdio.h>
void greet(const char *who) { printf("hello, %s\n", who); }
C
cat >main.c <<'C'
void greet(const char *who);
int main(int argc, char **argv) { greet(argc > 1 ? argv[1] : "nobody"); return 0; }
C
cat >Makefile <<'MAKE'
hello: main.o libgreet.a
	$(CC) -o $@ main.o -L. -lgreet
libgreet.a: greet.o
	$(AR) rcs $@ $^
MAKE

# gcc's intermediate files go to the mount too.
mkdir tmp
TMPDIR=$DIR/tmp make CC='gcc -pipe -O2'
same 'hello, guest' "$(./hello guest)"
make -q hello || fail 'make would build again: the times of its products are out of order'
cp hello copy
./copy copy >out
same 'hello, copy' "$(cat out)"
strip copy
chmod -x hello
refused ./hello

remount
same 'hello, again' "$(./copy again)"
if shows_on_host; then
    on_host './copy host' | grep -qx 'hello, host'
fi
on_host 'cat copy' | cmp - copy
