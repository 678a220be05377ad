/* The bridge itself: contacts that are read, outputs that are lent. Pure: time and pins are handed in. */
#ifndef BRIDGE_H
#define BRIDGE_H

#include "frame.h"

#ifndef BRIDGE_VERSION
#define BRIDGE_VERSION 1
#endif

enum {
    BRIDGE_PROTOCOL = BRIDGE_VERSION,
    BRIDGE_FIRMWARE_MAJOR = 1,
    BRIDGE_FIRMWARE_MINOR = 0,
    BRIDGE_FIRMWARE_PATCH = 0,
    BRIDGE_PINS_MAX = 8,
    BRIDGE_DEBOUNCE_MS = 50,    /* a relay bounces for 5 to 10 ms, a mains hum has periods of 20 ms */
    BRIDGE_UNSETTLED_MS = 1000, /* what does not settle for so long is not known */
    BRIDGE_LEASE_MAX_MS = 60000,
};

enum bridge_type {
    BRIDGE_HELLO = 0x01,
    BRIDGE_READ = 0x02,
    BRIDGE_SET = 0x03,
    BRIDGE_REPLY = 0x80, /* added to the type of the request */
    BRIDGE_REFUSED = 0xFF,
};

enum bridge_refusal { BRIDGE_UNKNOWN_TYPE = 1, BRIDGE_OTHER_VERSION = 2, BRIDGE_BAD_BODY = 3 };

enum bridge_reset { BRIDGE_RESET_OTHER = 0, BRIDGE_RESET_POWER = 1, BRIDGE_RESET_WATCHDOG = 2 };

/* What a board has. Outputs are 1 while driven; nothing is driven before a host asks, and after it fell silent. */
struct bridge_board {
    uint8_t input_count, output_count; /* each <= BRIDGE_PINS_MAX */
    uint8_t reset_cause;
};

struct bridge {
    struct bridge_board board;
    uint32_t now_ms; /* since boot; wraps after 49 days */
    uint8_t is_starting; /* until the contacts had their time to settle: nothing is answered */
    uint32_t start_ms;
    /* inputs */
    uint8_t raw, closed, known;
    uint32_t raw_since_ms[BRIDGE_PINS_MAX], settled_ms[BRIDGE_PINS_MAX];
    /* outputs */
    uint8_t driven, leased;
    uint32_t lease_start_ms[BRIDGE_PINS_MAX];
    uint16_t lease_ms[BRIDGE_PINS_MAX];
    /* line */
    uint8_t received[FRAME_CODED_MAX];
    size_t received_count;
    uint8_t is_overlong;
    uint16_t damaged_count;
};

void bridge_init(struct bridge *bridge, const struct bridge_board *board, uint32_t now_ms, uint8_t inputs);

/* Time has passed. Bit n of inputs: contact n + 1 is closed. Returns the outputs, to be set at once. */
uint8_t bridge_tick(struct bridge *bridge, uint32_t now_ms, uint8_t inputs);

/* A byte came. Returns the length of the reply in wire (FRAME_WIRE_MAX bytes), 0: there is none. */
size_t bridge_receive(struct bridge *bridge, uint8_t byte, uint8_t *wire);

#endif
