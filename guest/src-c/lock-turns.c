/* Locks by fcntl, for two processes (0 and 1) that take turns on a file that both can reach.

   lock-turns hand FILE ME ROUNDS   each waits for a byte that the other holds, and then lets go of
                                    the one that the other waits for: a lock is handed over each time
   lock-turns try FILE ME ROUNDS    each, when it is its turn, takes without waiting what the other has
                                    let go of before it said so in FILE.turn
   lock-turns hold FILE             takes a byte and a range, says so, and holds them
   lock-turns ask FILE START LEN    whether a write lock could be had: "free", or who holds it */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "check.h"

static int lock(int fd, int command, int type, long start, long length)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(fd, command, &lock);
}

static int holder(int fd, long start, long length)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    MUST(fcntl(fd, F_GETLK, &lock) == 0);
    return lock.l_type == F_UNLCK ? 0 : lock.l_pid ? lock.l_pid : -1;
}

/* Of three bytes each holds one; who gets the next lets go of the last. */
static void hand(int fd, int me, long rounds)
{
    long mine = me;
    MUST(lock(fd, F_SETLKW, F_WRLCK, mine, 1) == 0);
    /* Until both hold one; 1 may be ahead by one already. */
    while (!holder(fd, me ? 0 : 1, me ? 1 : 2))
        usleep(1000);
    for (long round = 0; round < rounds; round++) {
        long next = (mine + 1) % 3;
        MUST(lock(fd, F_SETLKW, F_WRLCK, next, 1) == 0);
        MUST(lock(fd, F_SETLK, F_UNLCK, mine, 1) == 0);
        mine = next;
    }
}

static uint64_t turn_of(int fd)
{
    uint64_t turn = 0;
    MUST(pread(fd, &turn, sizeof turn, 0) >= 0);
    return turn;
}

static void take_turns(int fd, const char *file, int me, long rounds)
{
    char name[4096];
    snprintf(name, sizeof name, "%s.turn", file);
    int turns = open(name, O_RDWR | O_CREAT, 0666);
    MUST(turns >= 0);
    for (long round = 0; round < rounds; round++) {
        uint64_t turn;
        while ((turn = turn_of(turns)) % 2 != (uint64_t)me)
            usleep(100);
        CHECK(lock(fd, F_SETLK, F_WRLCK, 0, round % 2 ? 1 : 0) == 0, "nobody holds it");
        CHECK(lock(fd, F_SETLK, F_UNLCK, 0, 0) == 0, "unlock");
        turn++;
        MUST(pwrite(turns, &turn, sizeof turn, 0) == sizeof turn);
    }
}

int main(int argc, char **argv)
{
    MUST(argc >= 3);
    int fd = open(argv[2], O_RDWR | O_CREAT, 0666);
    MUST(fd >= 0);
    if (!strcmp(argv[1], "hold")) {
        CHECK(lock(fd, F_SETLK, F_WRLCK, 5, 1) == 0, "a byte");
        CHECK(lock(fd, F_SETLK, F_RDLCK, 100, 0) == 0, "a range");
        printf("holds\n");
        fflush(stdout);
        pause();
    }
    MUST(argc == 5);
    long first = atol(argv[3]), second = atol(argv[4]);
    if (!strcmp(argv[1], "ask")) {
        int who = holder(fd, first, second);
        if (who)
            printf("held by %d\n", who);
        else
            printf("free\n");
        return 0;
    }
    if (!strcmp(argv[1], "hand"))
        hand(fd, first, second);
    else
        take_turns(fd, argv[2], first, second);
    return checked();
}
