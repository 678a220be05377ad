#include "bridge.h"

#include <string.h>

enum { HEADER = 3 }; /* version, type, sequence number */

static uint8_t mask_of(uint8_t count)
{
    return (uint8_t)((1u << count) - 1u);
}

void bridge_init(struct bridge *bridge, const struct bridge_board *board, uint32_t now_ms, uint8_t inputs)
{
    memset(bridge, 0, sizeof *bridge);
    bridge->board = *board;
    bridge->now_ms = bridge->start_ms = now_ms;
    bridge->is_starting = 1;
    bridge->raw = inputs;
    for (int i = 0; i < BRIDGE_PINS_MAX; i++)
        bridge->raw_since_ms[i] = bridge->settled_ms[i] = now_ms;
}

static void debounce(struct bridge *bridge, uint8_t inputs)
{
    for (int i = 0; i < bridge->board.input_count; i++) {
        uint8_t bit = (uint8_t)(1u << i);
        if ((bridge->raw ^ inputs) & bit)
            bridge->raw_since_ms[i] = bridge->now_ms;
        if (bridge->now_ms - bridge->raw_since_ms[i] >= BRIDGE_DEBOUNCE_MS) {
            bridge->closed = (uint8_t)((bridge->closed & ~bit) | (inputs & bit));
            bridge->known |= bit;
            bridge->settled_ms[i] = bridge->now_ms;
        } else if (bridge->now_ms - bridge->settled_ms[i] >= BRIDGE_UNSETTLED_MS) {
            bridge->known &= (uint8_t)~bit;
        }
    }
    bridge->raw = inputs;
}

static void release_what_lapsed(struct bridge *bridge)
{
    for (int i = 0; i < bridge->board.output_count; i++) {
        uint8_t bit = (uint8_t)(1u << i);
        if (bridge->leased & bit && bridge->now_ms - bridge->lease_start_ms[i] >= bridge->lease_ms[i]) {
            bridge->leased &= (uint8_t)~bit;
            bridge->driven &= (uint8_t)~bit;
        }
    }
}

uint8_t bridge_tick(struct bridge *bridge, uint32_t now_ms, uint8_t inputs)
{
    bridge->now_ms = now_ms;
    debounce(bridge, inputs);
    if (now_ms - bridge->start_ms >= BRIDGE_DEBOUNCE_MS)
        bridge->is_starting = 0;
    release_what_lapsed(bridge);
    return bridge->driven;
}

static size_t put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return 2;
}

static size_t hello(const struct bridge *bridge, uint8_t *body)
{
    size_t n = 0;
    body[n++] = BRIDGE_PROTOCOL; /* oldest */
    body[n++] = BRIDGE_PROTOCOL; /* newest */
    body[n++] = BRIDGE_FIRMWARE_MAJOR;
    body[n++] = BRIDGE_FIRMWARE_MINOR;
    body[n++] = BRIDGE_FIRMWARE_PATCH;
    body[n++] = bridge->board.input_count;
    body[n++] = bridge->board.output_count;
    body[n++] = bridge->board.reset_cause;
    n += put16(body + n, (uint16_t)(bridge->now_ms >> 16));
    n += put16(body + n, (uint16_t)bridge->now_ms);
    return n;
}

static uint16_t lease_left_ms(const struct bridge *bridge)
{
    uint16_t least = 0xFFFF;
    for (int i = 0; i < bridge->board.output_count; i++) {
        uint32_t left = bridge->lease_ms[i] - (bridge->now_ms - bridge->lease_start_ms[i]);
        if (bridge->leased & 1u << i && left < least)
            least = (uint16_t)left;
    }
    return bridge->leased ? least : 0;
}

static size_t status(const struct bridge *bridge, uint8_t *body)
{
    size_t n = 0;
    body[n++] = bridge->known;
    body[n++] = bridge->closed & bridge->known;
    body[n++] = bridge->driven;
    body[n++] = bridge->leased;
    n += put16(body + n, lease_left_ms(bridge));
    n += put16(body + n, bridge->damaged_count);
    return n;
}

/* Body: which outputs, how they shall stand, for how long [ms]; 0 gives them back at once. Returns 0 or a refusal. */
static uint8_t set_outputs(struct bridge *bridge, uint8_t version, const uint8_t *body, size_t count)
{
    if (version != BRIDGE_PROTOCOL)
        return BRIDGE_OTHER_VERSION;
    if (count != 4)
        return BRIDGE_BAD_BODY;
    uint8_t mask = body[0], values = body[1];
    uint16_t lease_ms = (uint16_t)(body[2] << 8 | body[3]);
    if (mask & ~mask_of(bridge->board.output_count) || values & ~mask || lease_ms > BRIDGE_LEASE_MAX_MS)
        return BRIDGE_BAD_BODY;
    for (int i = 0; i < bridge->board.output_count; i++) {
        if (mask & 1u << i) {
            bridge->lease_start_ms[i] = bridge->now_ms;
            bridge->lease_ms[i] = lease_ms;
        }
    }
    bridge->driven = (uint8_t)((bridge->driven & ~mask) | values);
    bridge->leased |= mask;
    release_what_lapsed(bridge);
    return 0;
}

static size_t answer(struct bridge *bridge, const uint8_t *request, size_t count, uint8_t *wire)
{
    uint8_t reply[FRAME_PAYLOAD_MAX] = {BRIDGE_PROTOCOL, (uint8_t)(request[1] | BRIDGE_REPLY), request[2]};
    uint8_t *body = reply + HEADER, refusal = 0;
    size_t body_count = 0;
    switch (request[1]) {
    case BRIDGE_HELLO: /* hello and read are understood by every version, so that inputs are never lost */
        body_count = hello(bridge, body);
        break;
    case BRIDGE_SET:
        refusal = set_outputs(bridge, request[0], request + HEADER, count - HEADER);
        body_count = status(bridge, body);
        break;
    case BRIDGE_READ:
        body_count = status(bridge, body);
        break;
    default:
        refusal = BRIDGE_UNKNOWN_TYPE;
    }
    if (refusal) {
        reply[1] = BRIDGE_REFUSED;
        body[0] = refusal;
        body_count = 1;
    }
    return frame_encode(reply, HEADER + body_count, wire);
}

size_t bridge_receive(struct bridge *bridge, uint8_t byte, uint8_t *wire)
{
    if (byte != 0) {
        if (bridge->received_count < sizeof bridge->received)
            bridge->received[bridge->received_count++] = byte;
        else
            bridge->is_overlong = 1;
        return 0;
    }
    size_t coded = bridge->received_count;
    size_t count = bridge->is_overlong ? 0 : frame_decode(bridge->received, coded);
    bridge->received_count = 0;
    bridge->is_overlong = 0;
    if (count >= HEADER)
        return bridge->is_starting ? 0 : answer(bridge, bridge->received, count, wire);
    if (coded > 0 && bridge->damaged_count < UINT16_MAX)
        bridge->damaged_count++;
    return 0;
}
