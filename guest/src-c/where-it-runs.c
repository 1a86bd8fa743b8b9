/* where-it-runs PID MAP: what a User-Mode Linux kernel that stands still is doing. Stops the process
 * twenty times; prints the function that it was in and what looks like return addresses on its
 * stack. MAP is the kernel's System.map. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include "check.h"

struct symbol {
    unsigned long address;
    char name[64];
};

static struct symbol *symbols;
static size_t count;

static void load(const char *path) {
    FILE *map = fopen(path, "r");
    MUST(map != NULL);
    char line[512];
    while (fgets(line, sizeof line, map)) {
        struct symbol next;
        char kind;
        if (sscanf(line, "%lx %c %63s", &next.address, &kind, next.name) != 3 || !strchr("tTwW", kind))
            continue;
        if (count % 4096 == 0)
            MUST((symbols = realloc(symbols, (count + 4096) * sizeof next)) != NULL);
        symbols[count++] = next;
    }
    fclose(map);
}

/* The symbol at or before the address; NULL for what is not the kernel's code. */
static const struct symbol *find(unsigned long address) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (symbols[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || low == count || address - symbols[low - 1].address > 0x8000)
        return NULL;
    return &symbols[low - 1];
}

static void show(unsigned long address) {
    const struct symbol *symbol = find(address);
    if (symbol)
        printf(" %s+0x%lx", symbol->name, address - symbol->address);
    else
        printf(" 0x%lx", address);
}

int main(int argc, char **argv) {
    MUST(argc == 3);
    pid_t pid = (pid_t)atol(argv[1]);
    load(argv[2]);
    MUST(ptrace(PTRACE_SEIZE, pid, 0, 0) == 0);
    for (int sample = 0; sample < 20; sample++) {
        struct user_regs_struct regs;
        int status;
        MUST(ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0);
        MUST(waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status));
        MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs) == 0);
        printf("at");
        show(regs.rip);
        static unsigned long stack[1024];
        struct iovec here = {stack, sizeof stack}, there = {(void *)regs.rsp, sizeof stack};
        ssize_t got = process_vm_readv(pid, &here, 1, &there, 1, 0) / (ssize_t)sizeof *stack;
        int most = sample == 0 ? 100 : 12;
        printf(", stack:");
        for (ssize_t i = 0; i < got && most > 0; i++)
            if (find(stack[i])) {
                show(stack[i]);
                most--;
            }
        printf("\n");
        /* A signal that stopped it is its own. */
        int signal = status >> 16 ? 0 : WSTOPSIG(status);
        MUST(ptrace(PTRACE_CONT, pid, 0, signal) == 0);
        usleep(20000);
    }
    return 0;
}
