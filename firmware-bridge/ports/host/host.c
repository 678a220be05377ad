/* The bridge on this machine: its line is a pseudo-terminal, its pins are words on stdin and stdout.
 *
 *     bridge-host LINK      LINK becomes a symbolic link to the terminal, as udev makes one for a real board
 *
 * stdin, a line each: "in MASK" sets the contacts, "pass MS" lets that time pass at once, "hang" stops everything but
 * stdin, "go" ends that. stdout, a line each: "ready", then "out MASK UPTIME_MS" whenever the outputs change. */
#define _GNU_SOURCE
#include "hal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static int line = -1, is_hanging;
static uint8_t contacts, outputs;
static uint32_t passed_ms;
static char words[64];
static size_t word_count;

static void must(int is_fine, const char *what)
{
    if (!is_fine) {
        perror(what);
        exit(1);
    }
}

static struct bridge_board start(const char *link)
{
    line = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    must(line >= 0 && grantpt(line) == 0 && unlockpt(line) == 0, "pseudo-terminal");
    const char *name = ptsname(line);
    /* Held open once, so that the line outlives hosts that come and go, as a board does. */
    int other = open(name, O_RDWR | O_NOCTTY);
    must(other >= 0, name);
    struct termios raw;
    must(tcgetattr(other, &raw) == 0, "terminal");
    cfmakeraw(&raw);
    must(tcsetattr(other, TCSANOW, &raw) == 0, "terminal");
    unlink(link);
    must(symlink(name, link) == 0, link);
    must(fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) == 0, "stdin");
    printf("ready\n");
    fflush(stdout);
    return (struct bridge_board){.input_count = 4, .output_count = 2, .reset_cause = BRIDGE_RESET_POWER};
}

static const char *link_path;

struct bridge_board hal_start(void)
{
    return start(link_path);
}

uint32_t hal_uptime_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    static uint64_t boot_ms;
    uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    if (boot_ms == 0)
        boot_ms = now_ms;
    return (uint32_t)(now_ms - boot_ms) + passed_ms;
}

uint8_t hal_inputs(void)
{
    return contacts;
}

void hal_outputs(uint8_t driven)
{
    if (driven != outputs) {
        outputs = driven;
        printf("out %u %lu\n", (unsigned)driven, (unsigned long)hal_uptime_ms());
        fflush(stdout);
    }
}

int hal_receive(void)
{
    uint8_t byte;
    return read(line, &byte, 1) == 1 ? byte : -1;
}

void hal_send(const uint8_t *bytes, size_t count)
{
    /* A host that does not read loses the reply; the board goes on. */
    if (write(line, bytes, count) < 0 && errno != EAGAIN)
        perror("line");
}

static void obey(const char *word)
{
    unsigned long value = strchr(word, ' ') ? strtoul(strchr(word, ' '), NULL, 10) : 0;
    if (strncmp(word, "in ", 3) == 0)
        contacts = (uint8_t)value;
    else if (strncmp(word, "pass ", 5) == 0)
        passed_ms += (uint32_t)value;
    else if (strcmp(word, "hang") == 0)
        is_hanging = 1;
    else if (strcmp(word, "go") == 0)
        is_hanging = 0;
}

static void listen_to_stdin(void)
{
    char byte;
    ssize_t got;
    while ((got = read(STDIN_FILENO, &byte, 1)) == 1) {
        if (byte == '\n') {
            words[word_count] = 0;
            word_count = 0;
            obey(words);
            return; /* one a round: each is felt before the next */
        }
        if (word_count < sizeof words - 1)
            words[word_count++] = byte;
    }
    if (got == 0)
        exit(0);
}

void hal_alive(void)
{
    do {
        listen_to_stdin();
        struct pollfd ends[] = {{.fd = is_hanging ? -1 : line, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
        poll(ends, 2, 5);
    } while (is_hanging);
}

int bridge_main(void);

int main(int count, char **arguments)
{
    if (count != 2) {
        fprintf(stderr, "usage: bridge-host LINK\n");
        return 2;
    }
    link_path = arguments[1];
    return bridge_main();
}
