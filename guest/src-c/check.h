/* Counts and prints what did not hold; every helper ends with `return checked();`. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_failures;
static int check_count;

#define CHECK(condition, what)                                                           \
    do {                                                                                 \
        errno = 0;                                                                       \
        check_count++;                                                                   \
        if (!(condition)) {                                                              \
            check_failures++;                                                            \
            printf("line %d: %s: %s (%s)\n", __LINE__, (what), #condition,               \
                   strerror(errno));                                                     \
        }                                                                                \
    } while (0)

/* For what the rest of the program cannot do without. */
#define MUST(condition)                                                                  \
    do {                                                                                 \
        errno = 0;                                                                       \
        if (!(condition)) {                                                              \
            printf("line %d: %s (%s)\n", __LINE__, #condition, strerror(errno));         \
            exit(1);                                                                     \
        }                                                                                \
    } while (0)

__attribute__((unused)) static int checked(void)
{
    printf("%d checks, %d failed\n", check_count, check_failures);
    return check_failures ? 1 : 0;
}

#endif
