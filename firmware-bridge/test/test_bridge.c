/* test-bridge VECTORS        what the vectors say, then leases, debouncing and time that wraps
 * test-bridge noise SEED     a million random bytes and ten thousand damaged frames */
#define _GNU_SOURCE
#include "bridge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct bridge_board BOARD = {.input_count = 4, .output_count = 2, .reset_cause = BRIDGE_RESET_POWER};
static const char *scene = "";

#define CHECK(what)                                                                      \
    do {                                                                                 \
        if (!(what)) {                                                                   \
            fprintf(stderr, "%s:%d: %s: not so: %s\n", __FILE__, __LINE__, scene, #what); \
            exit(1);                                                                     \
        }                                                                                \
    } while (0)

static size_t from_hex(const char *text, uint8_t *bytes)
{
    size_t count = 0;
    unsigned byte;
    int used;
    while (sscanf(text, " %2x%n", &byte, &used) == 1) {
        bytes[count++] = (uint8_t)byte;
        text += used;
    }
    return count;
}

/* The reply's payload, 0 bytes where there is none. */
static size_t ask(struct bridge *bridge, const uint8_t *request, size_t count, uint8_t *reply)
{
    uint8_t wire[FRAME_WIRE_MAX], back[FRAME_WIRE_MAX];
    size_t length = frame_encode(request, count, wire), got = 0;
    for (size_t i = 0; i < length; i++)
        if ((got = bridge_receive(bridge, wire[i], back)) > 0)
            CHECK(i == length - 1);
    if (got == 0)
        return 0;
    CHECK(back[0] == 0 && back[got - 1] == 0);
    memcpy(reply, back + 1, got - 2);
    return frame_decode(reply, got - 2);
}

static void check_frame(char **part)
{
    uint8_t wire[128], payload[128], made[FRAME_WIRE_MAX];
    size_t wire_count = from_hex(part[1], wire), count = from_hex(part[2], payload);
    if (count > 0) {
        CHECK(frame_encode(payload, count, made) == wire_count);
        CHECK(memcmp(made, wire, wire_count) == 0);
    }
    /* A place of exactly that size: reading beyond it is seen. */
    uint8_t *coded = malloc(wire_count - 2);
    CHECK(coded != NULL);
    memcpy(coded, wire + 1, wire_count - 2);
    CHECK(frame_decode(coded, wire_count - 2) == count);
    CHECK(memcmp(coded, payload, count) == 0);
    free(coded);
}

static void check_exchange(char **part)
{
    unsigned contacts, at_ms;
    CHECK(sscanf(part[1], "%u %u", &contacts, &at_ms) == 2);
    uint8_t request[64], wanted[64], reply[64];
    size_t request_count = from_hex(part[2], request), wanted_count = from_hex(part[3], wanted);
    struct bridge bridge;
    bridge_init(&bridge, &BOARD, 0, (uint8_t)contacts);
    bridge_tick(&bridge, at_ms, (uint8_t)contacts);
    CHECK(ask(&bridge, request, request_count, reply) == wanted_count);
    CHECK(memcmp(reply, wanted, wanted_count) == 0);
}

static int each_line(const char *folder, const char *name, void (*check)(char **part))
{
    char path[1024], text[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    scene = path;
    CHECK(file != NULL);
    int count = 0;
    while (fgets(text, sizeof text, file)) {
        char *part[6] = {0}, *rest = text;
        if (text[0] == '#')
            continue;
        for (int i = 0; i < 6 && rest; i++)
            part[i] = strsep(&rest, "|");
        scene = part[0];
        CHECK(part[2] != NULL);
        check(part);
        count++;
    }
    fclose(file);
    return count;
}

static void silence_releases_each_output_in_its_time(uint32_t start_ms)
{
    scene = "silence releases each output in its time";
    struct bridge bridge;
    uint8_t reply[64];
    bridge_init(&bridge, &BOARD, start_ms, 0);
    start_ms += BRIDGE_DEBOUNCE_MS;
    CHECK(bridge_tick(&bridge, start_ms, 0) == 0);
    CHECK(ask(&bridge, (uint8_t[]){1, BRIDGE_SET, 1, 1, 1, 0x03, 0xE8}, 7, reply) > 0); /* 1 s */
    CHECK(ask(&bridge, (uint8_t[]){1, BRIDGE_SET, 2, 2, 2, 0x07, 0xD0}, 7, reply) > 0); /* 2 s */
    CHECK(bridge_tick(&bridge, start_ms + 999, 0) == 3);
    CHECK(bridge_tick(&bridge, start_ms + 1000, 0) == 2);
    CHECK(bridge_tick(&bridge, start_ms + 1900, 0) == 2);
    CHECK(ask(&bridge, (uint8_t[]){1, BRIDGE_SET, 3, 2, 2, 0x07, 0xD0}, 7, reply) > 0); /* renewed */
    CHECK(bridge_tick(&bridge, start_ms + 3899, 0) == 2);
    CHECK(bridge_tick(&bridge, start_ms + 3900, 0) == 0);
    /* Reading renews nothing, and nothing comes back by itself. */
    CHECK(ask(&bridge, (uint8_t[]){1, BRIDGE_SET, 4, 1, 1, 0x03, 0xE8}, 7, reply) > 0);
    for (uint32_t ms = 3900; ms < 6000; ms += 100) {
        CHECK(bridge_tick(&bridge, start_ms + ms, 0) == (ms < 4900 ? 1 : 0));
        CHECK(ask(&bridge, (uint8_t[]){1, BRIDGE_READ, 5}, 3, reply) > 0);
    }
}

static uint16_t known_and_closed(struct bridge *bridge)
{
    uint8_t reply[64];
    CHECK(ask(bridge, (uint8_t[]){1, BRIDGE_READ, 0}, 3, reply) == 11);
    return (uint16_t)(reply[3] << 8 | reply[4]);
}

static void what_bounces_is_not_taken_and_what_chatters_is_not_known(uint32_t start_ms)
{
    scene = "what bounces is not taken and what chatters is not known";
    struct bridge bridge;
    bridge_init(&bridge, &BOARD, start_ms, 0);
    uint32_t ms = start_ms;
    bridge_tick(&bridge, ms += 50, 0);
    CHECK(known_and_closed(&bridge) == 0x0F00);
    for (int i = 0; i < 6; i++)
        bridge_tick(&bridge, ms += 5, i % 2 ? 0 : 1); /* bounces */
    bridge_tick(&bridge, ms += 5, 1);
    bridge_tick(&bridge, ms += 49, 1);
    CHECK(known_and_closed(&bridge) == 0x0F00);
    bridge_tick(&bridge, ms += 1, 1);
    CHECK(known_and_closed(&bridge) == 0x0F01);
    for (int i = 0; i < 99; i++)
        bridge_tick(&bridge, ms += 10, i % 2 ? 1 : 0);
    CHECK(known_and_closed(&bridge) == 0x0F01);
    bridge_tick(&bridge, ms += 10, 1);
    CHECK(known_and_closed(&bridge) == 0x0E00);
    bridge_tick(&bridge, ms += 50, 1);
    CHECK(known_and_closed(&bridge) == 0x0F01);
}

static uint32_t state;

static uint8_t dice(void)
{
    state = state * 1664525u + 1013904223u;
    return (uint8_t)(state >> 24);
}

/* After whatever noise, one zero later the bridge answers again; and noise drives no output. */
static void noise(uint32_t seed)
{
    scene = "noise";
    state = seed;
    struct bridge bridge;
    uint8_t wire[FRAME_WIRE_MAX], reply[64];
    bridge_init(&bridge, &BOARD, 0, 0);
    unsigned long answered = 0;
    for (uint32_t i = 1; i <= 1000000; i++) {
        answered += bridge_receive(&bridge, dice(), wire) > 0;
        CHECK(bridge_tick(&bridge, i / 10, dice()) == 0);
        if (i % 1000 == 0)
            CHECK(ask(&bridge, (uint8_t[]){1, BRIDGE_READ, 5}, 3, reply) == 11);
    }
    const uint8_t drive[] = {1, BRIDGE_SET, 1, 3, 3, 0xEA, 0x60};
    for (int i = 0; i < 10000; i++) {
        size_t count = frame_encode(drive, sizeof drive, wire), at = 1 + dice() % (count - 2);
        uint8_t flip = dice();
        wire[at] ^= flip ? flip : 1;
        for (size_t j = 0; j < count; j++)
            bridge_receive(&bridge, wire[j], reply);
        CHECK(bridge_tick(&bridge, 200000, 0) == 0);
    }
    printf("seed %lu: 1000000 random bytes (%lu answered), 10000 damaged frames: nothing driven\n",
           (unsigned long)seed, answered);
}

int main(int count, char **arguments)
{
    if (count == 3 && strcmp(arguments[1], "noise") == 0) {
        noise((uint32_t)strtoul(arguments[2], NULL, 10));
        return 0;
    }
    if (count != 2) {
        fprintf(stderr, "usage: test-bridge VECTORS | noise SEED\n");
        return 2;
    }
    int frames = each_line(arguments[1], "frames.txt", check_frame);
    int exchanges = each_line(arguments[1], "exchanges.txt", check_exchange);
    const uint32_t starts_ms[] = {0, 4294966000u}; /* time wraps a second after the other one */
    for (int i = 0; i < 2; i++) {
        silence_releases_each_output_in_its_time(starts_ms[i]);
        what_bounces_is_not_taken_and_what_chatters_is_not_known(starts_ms[i]);
    }
    printf("%d frames, %d exchanges, leases and contacts: as PROTOCOL.md says\n", frames, exchanges);
    return frames > 0 && exchanges > 0 ? 0 : 1;
}
