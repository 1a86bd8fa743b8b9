/* What becomes of locks when a process takes them through several descriptors, forks, closes and ends,
   told line by line by others who try the file: to compare what a host answers with what a guest does.

   lock-rules run FILE OTHER [COMMAND]   the process works on FILE; of those who try the file `inside` does so by
                                         the same name, `outside` by OTHER (the same file through another mount),
                                         `host` by COMMAND, which the host runs for the harness (init/item-lib.sh)
   lock-rules ask FILE                   says what a try of FILE by fcntl gives
   lock-rules hold FILE                  takes a byte by fcntl, says so, and holds it
   lock-rules flock FILE                 the same by flock, all of it, without having to write
   lock-rules wait FILE                  says so and waits for all of FILE */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static const char *file, *other, *command;

/* Whether a step worked, as the last word of its line. */
static const char *outcome(int result)
{
    return result == 0 ? "ok" : strerrorname_np(errno);
}

#define DO(step)                                                                         \
    do {                                                                                 \
        const char *answer = outcome(step);                                              \
        printf("    %s: %s\n", #step, answer);                                           \
        fflush(stdout);                                                                  \
    } while (0)

static int opened(const char *name)
{
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    MUST(fd >= 0);
    return fd;
}

static int set_as(int fd, int how, int type, long start, long length)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(fd, how, &lock);
}

static int set(int fd, int type, long start, long length)
{
    return set_as(fd, F_SETLK, type, start, length);
}

/* -- Who tries the file -- */

/* For each of the first bytes, and one far behind them, who has it: - nobody, r readers, w a writer. */
static void map(int fd, char *text)
{
    for (int byte = 0; byte <= 12; byte++) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte < 12 ? byte : 1000, .l_len = 1};
        MUST(fcntl(fd, F_GETLK, &lock) == 0);
        *text++ = lock.l_type == F_UNLCK ? '-' : lock.l_type == F_RDLCK ? 'r' : 'w';
    }
    *text = 0;
}

static const char *tried(int (*take)(int, int), int fd, int exclusive, int shared, int none)
{
    const char *answer = "held";
    if (take(fd, exclusive) == 0)
        answer = "free";
    else if (take(fd, shared) == 0)
        answer = "shared";
    if (answer[0] != 'h')
        MUST(take(fd, none) == 0);
    return answer;
}

static int take_range(int fd, int type) { return set(fd, type, 0, 0); }
static int take_flock(int fd, int how) { return flock(fd, how | LOCK_NB); }

static void ask_by_fcntl(const char *name, char *answer)
{
    int fd = opened(name);
    char bytes[16];
    map(fd, bytes);
    sprintf(answer, "%s %s", tried(take_range, fd, F_WRLCK, F_RDLCK, F_UNLCK), bytes);
    close(fd);
}

static void ask_by_flock(const char *name, char *answer)
{
    int fd = opened(name);
    strcpy(answer, tried(take_flock, fd, LOCK_EX, LOCK_SH, LOCK_UN));
    close(fd);
}

static void in_run(char *name, const char *rest) { sprintf(name, "%s/agent/%s", getenv("RUN"), rest); }

/* As `on_host` of the items does it. */
static void ask_host(char *answer)
{
    char request[4096], made[4096], status[4096], output[4096];
    in_run(request, "request.new");
    in_run(made, "request");
    in_run(status, "status");
    in_run(output, "output");
    FILE *out = fopen(request, "w");
    MUST(out && fprintf(out, "%s\n", command) > 0 && fclose(out) == 0 && rename(request, made) == 0);
    while (access(status, F_OK) != 0)
        usleep(5000);
    FILE *in = fopen(output, "r");
    MUST(in && fgets(answer, 100, in));
    fclose(in);
    answer[strcspn(answer, "\n")] = 0;
    MUST(unlink(status) == 0);
}

/* -- The steps of a scenario run in a process of their own; the first process tries the file meanwhile -- */

static int requests[2], answers[2], leave[2];

enum { LOOK, RIVAL_COMES, RIVAL_GOES };

static void main_does(char what)
{
    char done;
    MUST(write(requests[1], &what, 1) == 1 && read(answers[0], &done, 1) == 1);
}

#define LOOK_AT(when) (printf("  %s\n", when), fflush(stdout), main_does(LOOK))

static void look(int by_fcntl)
{
    char answer[100];
    void (*ask)(const char *, char *) = by_fcntl ? ask_by_fcntl : ask_by_flock;
    ask(file, answer);
    printf("    inside %s\n", answer);
    ask(other, answer);
    printf("    outside %s\n", answer);
    /* On the host itself flock and fcntl are apart: a server can hold but one of them. */
    if (by_fcntl) {
        if (command)
            ask_host(answer);
        else
            ask_by_fcntl(file, answer);
        printf("    host %s\n", answer);
    }
    fflush(stdout);
}

/* A child that has the descriptors, does something, and is gone. */
#define CHILD(...)                                                                       \
    do {                                                                                 \
        pid_t child = fork();                                                            \
        if (child == 0) {                                                                \
            __VA_ARGS__;                                                                 \
            _exit(0);                                                                    \
        }                                                                                \
        MUST(child > 0 && waitpid(child, NULL, 0) == child);                             \
    } while (0)

/* A child that has the descriptors and stays until the scenario is over. */
static void child_stays(void)
{
    char never;
    pid_t child = fork();
    if (child == 0) {
        close(requests[1]);
        while (read(leave[0], &never, 1) < 0)
            ;
        _exit(0);
    }
    MUST(child > 0);
}

static void scenario(const char *name, int by_fcntl, void (*steps)(int, int, long, long), long start, long length)
{
    char what;
    int rival = -1;
    printf("%s\n", name);
    fflush(stdout);
    MUST(pipe2(requests, O_CLOEXEC) == 0 && pipe2(answers, O_CLOEXEC) == 0 && pipe2(leave, O_CLOEXEC) == 0);
    pid_t actor = fork();
    if (actor == 0) {
        close(leave[1]);
        close(requests[0]);
        int b = opened(file);
        steps(opened(file), b, start, length);
        _exit(0);
    }
    close(requests[1]);
    while (read(requests[0], &what, 1) == 1) {
        if (what == LOOK)
            look(by_fcntl);
        if (what == RIVAL_COMES) {
            rival = opened(other);
            MUST(set(rival, F_RDLCK, start, length) == 0);
        }
        if (what == RIVAL_GOES)
            close(rival);
        MUST(write(answers[1], &what, 1) == 1);
    }
    int status;
    MUST(waitpid(actor, &status, 0) == actor);
    CHECK(status == 0, name);
    printf("  the process has ended\n");
    look(by_fcntl);
    /* Of those who stayed the last has gone when the other end of this is closed. */
    close(leave[1]);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    close(leave[0]);
    close(requests[0]);
    close(answers[0]);
    close(answers[1]);
    usleep(50000);
    printf("  all have ended\n");
    look(by_fcntl);
}

/* -- By fcntl -- */

static void upgrade(int a, int b, long start, long length)
{
    DO(set(a, F_RDLCK, start, length));
    LOOK_AT("shared through A");
    DO(set(b, F_WRLCK, start, length));
    LOOK_AT("upgraded through B");
    DO(set(b, F_RDLCK, start, length));
    LOOK_AT("downgraded through B");
    close(b);
    LOOK_AT("B closed");
}

static void upgrade_with_a_rival(int a, int b, long start, long length)
{
    DO(set(a, F_RDLCK, start, length));
    main_does(RIVAL_COMES);
    DO(set(b, F_WRLCK, start, length));
    main_does(RIVAL_GOES);
    LOOK_AT("upgrade refused, the other reader gone");
    DO(set(b, F_WRLCK, start, length));
    LOOK_AT("upgraded");
}

static void close_another(int a, int b, long start, long length)
{
    DO(set(a, F_WRLCK, start, length));
    LOOK_AT("locked through A");
    close(b);
    LOOK_AT("B closed");
    close(a);
    LOOK_AT("A closed");
}

static void two_shared(int a, int b, long start, long length)
{
    DO(set(a, F_RDLCK, start, length));
    DO(set(b, F_RDLCK, start, length));
    close(b);
    LOOK_AT("B closed");
    close(a);
    LOOK_AT("A closed");
}

static void child_closes(int a, int b, long start, long length)
{
    DO(set(a, F_WRLCK, start, length));
    CHILD(close(a));
    LOOK_AT("a child closed A");
    CHILD(DO(set(a, F_UNLCK, 0, 0)); DO(set(b, F_WRLCK, start, length)));
    LOOK_AT("a child tried to unlock and to lock");
    DO(set(b, F_UNLCK, start, length));
    LOOK_AT("unlocked through B");
}

static void process_ends(int a, int b, long start, long length)
{
    close(b);
    DO(set(a, F_WRLCK, start, length));
    child_stays();
}

static void process_with_two_ends(int a, int b, long start, long length)
{
    /* Of a process that ends the lower descriptor is closed first. */
    MUST(b < a);
    DO(set(a, F_WRLCK, start, length));
    child_stays();
}

static void ranges(int a, int b, long start, long length)
{
    DO(set(a, F_WRLCK, start, length));
    DO(set(b, F_UNLCK, start + 3, 2));
    LOOK_AT("split");
    DO(set(b, F_RDLCK, start + 2, 4));
    LOOK_AT("a part read");
    DO(set(a, F_WRLCK, start + 1, 6));
    LOOK_AT("merged");
    DO(set(a, F_RDLCK, 9, 0));
    LOOK_AT("and to the end");
    DO(set(a, F_UNLCK, 0, 0));
    LOOK_AT("unlocked");
}

static void open_file_locks(int a, int b, long start, long length)
{
    DO(set_as(a, F_OFD_SETLK, F_WRLCK, start, length));
    LOOK_AT("locked through A");
    DO(set_as(b, F_OFD_SETLK, F_RDLCK, start, length));
    CHILD(close(a));
    LOOK_AT("a child closed A");
    close(b);
    LOOK_AT("B closed");
    DO(set_as(a, F_OFD_SETLK, F_UNLCK, start, length));
    LOOK_AT("unlocked");
}

static void both_kinds(int a, int b, long start, long length)
{
    DO(take_flock(a, LOCK_EX));
    DO(set(b, F_WRLCK, start, length));
    LOOK_AT("fcntl asked after flock");
    DO(take_flock(a, LOCK_UN));
    DO(set(b, F_WRLCK, start, length));
    LOOK_AT("fcntl alone");
    DO(take_flock(a, LOCK_EX));
    LOOK_AT("flock asked after fcntl");
    DO(take_flock(a, LOCK_UN));
    LOOK_AT("flock released");
}

/* -- By flock -- */

static void flock_two_shared(int a, int b, long start, long length)
{
    (void)start, (void)length;
    DO(take_flock(a, LOCK_SH));
    DO(take_flock(b, LOCK_SH));
    LOOK_AT("two shared");
    DO(take_flock(b, LOCK_EX));
    LOOK_AT("upgrade through B refused");
    close(b);
    LOOK_AT("B closed");
    close(a);
    LOOK_AT("A closed");
}

static void flock_close_another(int a, int b, long start, long length)
{
    (void)start, (void)length;
    DO(take_flock(a, LOCK_EX));
    DO(take_flock(b, LOCK_SH));
    close(b);
    LOOK_AT("B closed");
    DO(take_flock(a, LOCK_SH));
    LOOK_AT("downgraded");
    DO(take_flock(a, LOCK_EX));
    LOOK_AT("upgraded");
    DO(take_flock(a, LOCK_UN));
    LOOK_AT("unlocked");
}

static void flock_child_closes(int a, int b, long start, long length)
{
    (void)b, (void)start, (void)length;
    DO(take_flock(a, LOCK_EX));
    CHILD(close(a));
    LOOK_AT("a child closed A");
    CHILD(DO(take_flock(a, LOCK_UN)));
    LOOK_AT("a child unlocked A");
    close(a);
    LOOK_AT("A closed");
}

static void flock_process_ends(int a, int b, long start, long length)
{
    (void)b, (void)start, (void)length;
    DO(take_flock(a, LOCK_EX));
    child_stays();
}

static void run(void)
{
    static const struct {
        const char *name;
        void (*steps)(int, int, long, long);
    } of_fcntl[] = {
        {"lock on A, upgrade on B", upgrade},
        {"lock on A, upgrade on B with a rival", upgrade_with_a_rival},
        {"lock on A, close B", close_another},
        {"shared on A and B, close B", two_shared},
        {"fork, the child closes", child_closes},
        {"the process ends, a child has A", process_ends},
        {"the process ends with A and B, a child has A", process_with_two_ends},
    };
    for (size_t n = 0; n < sizeof of_fcntl / sizeof *of_fcntl; n++) {
        char name[100];
        sprintf(name, "fcntl of a range: %s", of_fcntl[n].name);
        scenario(name, 1, of_fcntl[n].steps, 5, 5);
        sprintf(name, "fcntl of the whole: %s", of_fcntl[n].name);
        scenario(name, 1, of_fcntl[n].steps, 0, 0);
    }
    scenario("fcntl: ranges", 1, ranges, 0, 8);
    scenario("open file description: a range", 1, open_file_locks, 5, 5);
    scenario("fcntl beside flock", 1, both_kinds, 5, 5);
    scenario("flock: shared on A and B, close B", 0, flock_two_shared, 0, 0);
    scenario("flock: lock on A, close B", 0, flock_close_another, 0, 0);
    scenario("flock: fork, the child closes", 0, flock_child_closes, 0, 0);
    scenario("flock: the process ends, a child has A", 0, flock_process_ends, 0, 0);
}

int main(int argc, char **argv)
{
    MUST(argc >= 3);
    file = argv[2];
    if (!strcmp(argv[1], "ask")) {
        char answer[100];
        ask_by_fcntl(file, answer);
        printf("%s\n", answer);
        return 0;
    }
    if (!strcmp(argv[1], "run")) {
        MUST(argc >= 4);
        other = argv[3];
        command = argc > 4 ? argv[4] : NULL;
        run();
        return check_failures ? 1 : 0;
    }
    int by_flock = !strcmp(argv[1], "flock");
    int fd = by_flock ? open(file, O_RDONLY) : opened(file);
    MUST(fd >= 0);
    if (by_flock)
        MUST(flock(fd, LOCK_EX | LOCK_NB) == 0);
    if (!strcmp(argv[1], "hold"))
        MUST(set(fd, F_WRLCK, 5, 1) == 0);
    printf("%s\n", argv[1]);
    fflush(stdout);
    if (!strcmp(argv[1], "wait"))
        MUST(set_as(fd, F_SETLKW, F_WRLCK, 0, 0) == 0);
    pause();
}
